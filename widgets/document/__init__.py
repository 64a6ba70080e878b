"""The document that a browser is sent before anything is drawn: Streamlit's, with our script and style, and the first words of its page."""
