"""Parts of the page Overview: the tiles, the curve and the map, what to do next, facts about the cohort."""
