"""Parts of the page *Cases*: studies with several readers and arms."""
