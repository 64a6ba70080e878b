"""What each page is headed with, by its own part of the address; the page that opens first, whose part is empty, is `overview`."""

HEADINGS = {
    "overview": "What privacy costs, and whom",
    "import": "Import radiographs or CT",
    "train": "Train",
    "privacy_utility": "Privacy and utility",
    "fairness": "Fairness",
    "meeting": "Is it good and fair enough?",
    "privacy": "Is each patient protected?",
    "cases": "Would privacy have changed this answer?",
    "review": "Review",
    "status": "Status",
    "people": "Who may do what, and who did?",
}
