"""The least that Streamlit does for a move of a slider: one slider, one sentence, one figure of nine traces, no computation."""

import plotly.graph_objects as go
import streamlit as st

EPSILONS = ("0.3", "0.5", "1", "2", "3", "5", "8", "12", "20")

epsilon = st.select_slider("ε", EPSILONS)
st.markdown(f"## At ε = {epsilon}, nothing was computed.")
figure = go.Figure([go.Scatter(x=[1, 2, 3], y=[i, float(epsilon), i], name=str(i)) for i in range(9)])
figure.update_layout(title={"text": "Peer", "subtitle": {"text": f"ε = {epsilon} at"}})
st.plotly_chart(figure, theme=None, key="figure")
