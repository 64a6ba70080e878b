"""The image viewer: a component that runs in the browser, the pixels it may fetch, and the routes that serve both."""
