"""Parts of the page *Review*: what is reviewed, what people say of it, what they decide."""
