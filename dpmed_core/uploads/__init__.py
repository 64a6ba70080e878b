"""Images that come in through the dashboard: unpacking, looking at, mapping columns, importing in a process of its own."""
