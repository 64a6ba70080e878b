"""The checklist of a review: points of published guidance in our own words, each with where it stands there.

A number is given where an item is counted in the publication itself; where its numbering differs between versions, or it has none, the
point is named by its topic. What the program can tell from what was frozen it fills in (`review.filled_in`, by the point's name);
everything else people answer.
"""

from dataclasses import dataclass

SOURCES = {
    "TRIPOD+AI": "Collins et al. 2024, BMJ 385: e078378",
    "CLAIM 2024": "Tejani et al. 2024, Radiology: Artificial Intelligence 6: e240300",
    "STARD-AI": "Sounderajah et al. 2025, Nature Medicine",
    "FUTURE-AI": "Lekadir et al. 2025, BMJ 388: e081554",
    "NIST SP 800-226": "Near, Darais, Lefkovitz & Howarth 2025, doi 10.6028/NIST.SP.800-226",
    "EDPB Opinion 28/2024": "European Data Protection Board, 17 December 2024",
}


@dataclass(frozen=True)
class Point:
    """One point of the checklist.

    Attributes:
        name: its name here, which never changes.
        source: a key of `SOURCES`.
        where: the item there: its number, or its topic.
        about: what is asked, in our words.
    """

    name: str
    source: str
    where: str
    about: str


def _points(source: str, *rows: tuple[str, str, str]) -> tuple[Point, ...]:
    return tuple(Point(name, source, where, about) for name, where, about in rows)


POINTS = (
    *_points(
        "TRIPOD+AI",
        ("purpose", "item 3b", "For whom is the model meant, for which decision, and who will use it?"),
        ("inequalities", "item 3c", "Which differences in health between groups of patients are known, that the model could make larger?"),
        ("data-source", "item 5a", "Where do the images come from?"),
        ("dates", "item 5b", "When were they taken?"),
        ("eligibility", "item 6b", "Which patients were taken in, and which left out?"),
        ("outcome", "item 8a", "How was each finding determined, and is that the same in all groups?"),
        ("sample-size", "item 10", "Are there enough held-out patients, in each group too, for what is to be decided?"),
        ("missing", "item 11", "What was done with unknown labels, ages and sexes?"),
        ("partition", "item 12a", "How were patients divided into those for training, validation and test?"),
        ("model", "item 12c", "Which kind of model is it, and how was it trained?"),
        ("measures", "item 12e", "By which measures was it judged, and why by these?"),
        ("fairness", "item 14", "What was done so that no group is served worse, and how was that judged?"),
        ("output", "item 15", "What does the model give, and from which threshold does a case count as positive?"),
        ("ethics", "item 17", "Who approved the use of the data?"),
        ("conflicts", "item 18b", "Who has an interest in the outcome?"),
        ("protocol", "item 18c", "Was it written down before the results what would be compared?"),
        ("patients-involved", "item 19", "Were patients involved, or was it decided not to?"),
        ("performance", "item 23a", "How well does it perform, with intervals, in groups too?"),
        ("limitations", "item 26", "What limits what can be said: the patients, their number, missing data?"),
        ("use", "item 27a", "What happens with an image that is bad, or of a kind that the model was not trained on?"),
    ),
    *_points(
        "CLAIM 2024",
        ("de-identification", "de-identification methods", "How were images and tables de-identified?"),
        ("disjoint", "level at which partitions are disjoint", "Is any patient in two parts?"),
        ("software", "software", "Which programs and versions trained and evaluated it?"),
        ("uncertainty", "statistical measures of significance and uncertainty", "How sure are the numbers?"),
        ("failures", "failure analysis of incorrectly classified cases", "Were cases looked at that are wrong because of privacy?"),
        ("external", "testing on external data", "Was it tested on patients of another hospital?"),
    ),
    *_points(
        "STARD-AI",
        ("reference-standard", "reference standard", "What is the truth that answers are compared with, and how good is it?"),
        ("index-test", "index test: the model and its version", "Exactly which trained models are judged?"),
        ("bias", "algorithmic bias and fairness", "Does privacy cost one group more than the others?"),
    ),
    *_points(
        "FUTURE-AI",
        ("stakeholders", "General 1", "Did everybody whom it concerns take part in this review?"),
        ("data-protection", "General 2", "Who answers for data protection, and was an impact assessment made?"),
        ("local-validity", "Universality 4", "Was it judged on patients like those for whom it will be used?"),
        ("oversight", "Usability 2", "Who looks at its answers, and who may overrule them?"),
        ("monitoring", "Traceability 4", "Who looks whether it still performs after it was taken into use, and when?"),
    ),
    *_points(
        "NIST SP 800-226",
        ("parameters", "pyramid, top: ε", "Which ε, at which δ, by which accountant, and checked how?"),
        ("unit", "pyramid, top: unit of privacy", "Whose data does the guarantee protect: a patient with all images, or one image?"),
        ("neighbours", "pyramid, top: definition of neighbours", "Which data sets does the guarantee compare?"),
        ("composition", "composition", "What was spent on the same patients by all models together?"),
        ("selection", "release of what was chosen after looking", "What does it cost to release the model that was chosen?"),
        ("utility-bias", "pyramid, middle: utility and bias", "Does the noise cost accuracy, and which group most?"),
        ("implementation", "pyramid, middle: algorithms and correctness", "Was it tested that the training keeps its guarantee (`audit`)?"),
        ("trust", "pyramid, bottom: trust model", "Who can see patients' data and models without privacy, and who guards them?"),
        ("uncovered", "what is outside the guarantee", "Who is not protected by the guarantee?"),
    ),
    *_points(
        "EDPB Opinion 28/2024",
        ("anonymity", "anonymity of a model", "Is the model said to be anonymous, and who has assessed that of this very model?"),
        ("extraction", "likelihood of extraction and by queries", "What would an attacker with the model learn of a patient at most?"),
        ("lawful-basis", "legal basis of development", "On which legal basis were patients' data used to train it?"),
        ("balancing", "necessity and balancing of interests", "Does the purpose need these data, and do patients expect it?"),
        ("unlawful", "consequences of unlawful development", "Are there data in it that should not have been used, and what then?"),
    ),
)
"""All points, in the order in which they are shown."""
