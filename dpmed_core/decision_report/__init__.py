"""The report of a review, or of a cohort that nobody has reviewed yet: one HTML page that needs no network, or a PDF."""
