"""Inference requests: what pages ask of stored models, ahead of training; torch only where they are computed."""
