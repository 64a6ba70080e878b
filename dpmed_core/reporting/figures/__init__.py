"""Figures: from tables to Plotly figures; one module a figure, `style` and `facts` for all of them."""
