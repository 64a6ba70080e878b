"""Who uses the dashboard: signing on, the person's line in the sidebar, what the roles of a person let them see."""
