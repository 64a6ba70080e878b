"""Inference requests: what pages ask of stored models, and the store in which pages and engine exchange them."""
