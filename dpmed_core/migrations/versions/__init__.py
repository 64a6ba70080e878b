"""The versions of the schema, one after another; a version that was released is never changed."""
