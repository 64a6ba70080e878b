"""Privacy accounting: what a mechanism costs, how much noise a target needs, by two independent accountants."""
