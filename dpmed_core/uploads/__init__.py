"""Images that are uploaded to the dashboard: unpacking archives, mapping columns, previews, import jobs, single cases."""
