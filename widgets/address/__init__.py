"""The address of a page and what is chosen in it; nothing else reads or writes `st.query_params`."""
