"""The rule on whether a converted model is the same model: it must find faults and never accuse a good one."""

import json

import numpy as np
import pytest

from shipway.bundle.evidence import Result
from shipway.bundle.golden import Tolerance
from shipway.evaluation.parity.noise import Noise, OutputNoise, measure_noise
from shipway.evaluation.parity.numeric import answer_parity, numeric_parity
from shipway.sources.base import Reference


def judge(exam, found):
    return numeric_parity(
        exam.reference.outputs,
        found,
        noise=measure_noise(exam.reference),
        subject="net",
        inputs="rows of a test",
    )


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "linear"])
@pytest.mark.parametrize("repeated", [False, True], ids=["float64", "no float64"])
def test_identical_models_pass_at_any_number_of_rows(nets, exam_of, rows_of, answers_of, head, repeated):
    for seed in range(200):
        net = nets.trained(seed, units=1 if head != "softmax" else 10, head=head)
        exam = exam_of(net, rows_of(seed, 1 + seed % 100), repeated=repeated)
        verdict = judge(exam, answers_of(net, exam.cases, order=seed + 1))
        assert verdict.result is Result.PASS, (seed, verdict.reason)


def test_a_hundred_rows_and_no_generated_ones_are_enough(nets, exam_of, rows_of, answers_of):
    for seed in range(20):
        net = nets.trained(seed)
        exam = exam_of(net, rows_of(seed, 100))
        exam.cases.pop("generated")
        exam.reference.outputs.pop("generated")
        assert judge(exam, answers_of(net, exam.cases, order=5)).result is Result.PASS


def largest_weight_up_one_percent(weight):
    place = np.unravel_index(np.abs(weight).argmax(), weight.shape)
    weight[place] *= 1.01
    return weight


FAULTS = {
    "one weight changed by 1 %, first layer": lambda net: net.with_weight(0, largest_weight_up_one_percent),
    "one weight changed by 1 %, last layer": lambda net: net.with_weight(-1, largest_weight_up_one_percent),
    "last bias lost": lambda net: type(net)(net.weights, (*net.biases[:-1], 0 * net.biases[-1]), net.head),
    "weights cut to float16": lambda net: net.with_weight(1, lambda w: w.astype(np.float16).astype(float)),
    "truncated weights": lambda net: net.with_weight(1, lambda w: np.where(np.arange(48) < 40, w, 0)),
    "another layer's weights": lambda net: net.with_weight(1, lambda w: w[::-1]),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("head", ["softmax", "sigmoid", "linear"])
@pytest.mark.parametrize("repeated", [False, True], ids=["float64", "no float64"])
def test_planted_faults_fail(nets, exam_of, rows_of, answers_of, fault, head, repeated):
    for seed in range(10):
        net = nets.trained(seed, units=1 if head != "softmax" else 10, head=head)
        exam = exam_of(net, rows_of(seed, 20), repeated=repeated)
        verdict = judge(exam, answers_of(FAULTS[fault](net), exam.cases, order=seed))
        assert verdict.result is Result.FAIL, (seed, verdict.reason)


def test_reversed_channels_in_the_data_path_fail(nets, exam_of, rows_of, answers_of):
    exam = exam_of(nets.trained(3), rows_of(3, 30))
    found = answers_of(exam.net, {case: rows[:, ::-1] for case, rows in exam.cases.items()})
    assert judge(exam, found).result is Result.FAIL


def test_lost_bias_of_a_linear_head_is_named(nets, exam_of, rows_of, answers_of):
    net = nets.trained(1, units=3, head="linear")
    exam = exam_of(net, rows_of(1, 30))
    verdict = judge(exam, answers_of(FAULTS["last bias lost"](net), exam.cases))
    assert "bias" in verdict.reason


def test_classes_in_another_order_are_named(nets, exam_of, rows_of):
    exam = exam_of(nets.trained(1), rows_of(1, 30))
    for order, words in ((slice(None, None, -1), "reversed order along the last axis"),
                         (np.roll(np.arange(10), 1), "shifted by one"),
                         (np.array([0, 2, 1, 3, 4, 9, 8, 7, 6, 5]), "another order")):  # fmt: skip
        found = {case: {"y": out["y"][:, order]} for case, out in exam.reference.outputs.items()}
        verdict = judge(exam, found)
        assert verdict.result is Result.FAIL
        assert words in verdict.reason


def two_headed(shape_a=(40, 3), shape_b=(40, 3)):
    generator = np.random.default_rng(0)
    outputs = {"a": generator.normal(size=shape_a), "b": generator.normal(size=shape_b)}
    real = {name: array.astype(np.float32) for name, array in outputs.items()}
    signature = None
    return Reference(signature=signature, outputs={"real": real}, precise={"real": outputs})


@pytest.mark.parametrize("shape_b", [(40, 3), (40, 4)], ids=["equal shapes", "other shapes"])
def test_swapped_outputs_fail_and_are_named(shape_b):
    reference = two_headed(shape_b=shape_b)
    real = reference.outputs["real"]
    verdict = numeric_parity(
        reference.outputs,
        {"real": {"a": real["b"], "b": real["a"]}},
        noise=measure_noise(reference),
        subject="n",
    )
    assert verdict.result is Result.FAIL
    assert "outputs 'a' and 'b' look swapped" in verdict.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda real: {"a": real["a"]}, "'b' is missing"),
        (lambda real: {**real, "c": real["a"]}, "'c' is not the source's"),
        (lambda real: {**real, "a": real["a"][:, :2]}, "output 'a' has shape [40, 2]"),
        (lambda real: {**real, "a": real["a"].astype(np.float64)}, "output 'a' is float64"),
        (lambda real: {**real, "a": np.where(real["a"] == real["a"][7, 1], np.nan, real["a"])}, "at row 7"),
        (
            lambda real: {**real, "a": np.where(real["a"] == real["a"][7, 1], np.inf, real["a"])},
            "NaN or infinity",
        ),
    ],
    ids=["missing", "extra", "shape", "dtype", "nan", "inf"],
)
def test_mismatches_of_form_fail_whatever_the_noise(change, words):
    reference = two_headed()
    found = {"real": change(reference.outputs["real"])}
    noise = Noise({name: OutputNoise(1.0, {}, 0.5, True, {}) for name in "ab"}, "made up")
    verdict = numeric_parity(reference.outputs, found, noise=noise, subject="n")
    assert verdict.result is Result.FAIL
    assert words in verdict.reason
    json.dumps(verdict.to_json(), allow_nan=False)


def test_a_case_that_was_not_answered_fails():
    reference = two_headed()
    verdict = numeric_parity(reference.outputs, {}, noise=measure_noise(reference), subject="n")
    assert verdict.result is Result.FAIL
    assert "'real' was not answered" in verdict.reason


def test_answers_that_never_vary_are_inconclusive():
    dead = {
        "real": {"y": np.tile(np.float32([[0.1, 0.9]]), (50, 1))},
        "edge": {"y": np.float32([[0.1, 0.9]])},
    }
    reference = Reference(signature=None, outputs=dead)
    verdict = numeric_parity(dead, dead, noise=measure_noise(reference), subject="n")
    assert verdict.result is Result.INCONCLUSIVE
    assert "alike" in verdict.reason


def test_runs_of_one_row_vary_between_cases():
    generator = np.random.default_rng(0)
    outputs = {f"real-{n:03}": {"y": generator.random((1, 4), dtype=np.float32)} for n in range(5)}
    reference = Reference(signature=None, outputs=outputs)
    verdict = numeric_parity(outputs, outputs, noise=measure_noise(reference), subject="n")
    assert verdict.result is Result.PASS


def test_a_source_that_answers_nan_only_is_inconclusive():
    outputs = {"real": {"y": np.full((10, 3), np.nan, np.float32)}}
    reference = Reference(signature=None, outputs=outputs)
    verdict = numeric_parity(outputs, outputs, noise=measure_noise(reference), subject="n")
    assert verdict.result is Result.INCONCLUSIVE


def test_a_difference_within_excessive_noise_is_inconclusive_and_above_it_fails(rows_of):
    rows = rows_of(0, 50)
    reference = Reference(
        signature=None, outputs={"real": {"y": rows}}, precise={"real": {"y": rows.astype(float) + 0.02}}
    )
    noise = measure_noise(reference)
    for offset, result in ((1e-4, Result.PASS), (0.1, Result.INCONCLUSIVE), (5.0, Result.FAIL)):
        verdict = numeric_parity(
            reference.outputs, {"real": {"y": rows + np.float32(offset)}}, noise=noise, subject="n"
        )
        assert verdict.result is result


def test_whole_number_outputs_must_be_equal_but_where_the_source_itself_wavers():
    labels = np.arange(20) % 4
    precise = labels.copy()
    precise[3] = 9
    reference = Reference(
        signature=None, outputs={"real": {"label": labels}}, precise={"real": {"label": precise}}
    )
    noise = measure_noise(reference)
    for row, result in ((3, Result.PASS), (4, Result.FAIL)):
        found = labels.copy()
        found[row] = 9
        verdict = numeric_parity(reference.outputs, {"real": {"label": found}}, noise=noise, subject="n")
        assert verdict.result is result


def test_strings_are_equal_as_text_or_bytes():
    reference = Reference(signature=None, outputs={"real": {"y": np.array(["cat", "hund"], dtype=object)}})
    noise = measure_noise(reference)
    same = {"real": {"y": np.array([b"cat", b"hund"], dtype=object)}}
    other = {"real": {"y": np.array([b"cat", b"dog"], dtype=object)}}
    assert numeric_parity(reference.outputs, same, noise=noise, subject="n").result is Result.PASS
    assert numeric_parity(reference.outputs, other, noise=noise, subject="n").result is Result.FAIL


def test_figures_are_those_of_the_worst_row(nets, exam_of, rows_of):
    exam = exam_of(nets.trained(0), rows_of(0, 256))
    found = {case: {"y": out["y"].copy()} for case, out in exam.reference.outputs.items()}
    found["real"]["y"][41, 2] += 0.25
    verdict = judge(exam, found)
    scale = max(exam.reference.outputs["real"]["y"][41].max(), 0.1)
    assert verdict.figures["max"] == pytest.approx(0.25 / scale, rel=1e-4)
    assert (verdict.figures["worst_case"], verdict.figures["worst_row"]) == ("real", 41)
    assert verdict.figures["rows"] == 256 + 4 + 13
    assert verdict.figures["inputs"] == "rows of a test"
    assert verdict.figures["budget"] >= verdict.figures["noise_floor"] > 0
    json.dumps(verdict.to_json(), allow_nan=False)


def test_live_answers_are_judged_by_the_tolerances_of_the_bundle(nets, exam_of, rows_of):
    exam = exam_of(nets.trained(2), rows_of(2, 256))
    noise = measure_noise(exam.reference)
    golden = {"y": exam.reference.outputs["real"]["y"][:1]}
    tolerances = {"y": noise.tolerance("y")}
    good = {"y": exam.net.run(exam.cases["real"][:1], order=9)}
    verdict = answer_parity(golden, good, tolerances=tolerances, subject="http://host/m")
    assert (verdict.rule, verdict.result) == ("answer-parity", Result.PASS)
    bad = {"y": exam.net.run(exam.cases["real"][1:2], order=9)}
    assert answer_parity(golden, bad, tolerances=tolerances, subject="e").result is Result.FAIL
    assert answer_parity(golden, {}, tolerances=tolerances, subject="e").result is Result.FAIL
    assert answer_parity(golden, good, tolerances={}, subject="e").result is (
        Result.PASS if np.array_equal(golden["y"], good["y"]) else Result.FAIL
    )


def test_live_answers_that_are_all_alike_still_pass():
    same = {"y": np.full((3, 2), 0.5, np.float32)}
    verdict = answer_parity(same, same, tolerances={"y": Tolerance(1.0, 1e-5)}, subject="e")
    assert verdict.result is Result.PASS


def requests(change=lambda mean: mean, *, count=6):
    """A model with rows beside a mean over them, asked batches of several sizes."""
    found = {}
    for number in range(count):
        y = np.random.default_rng(number).normal(size=(1 + number % 3, 4)).astype(np.float32)
        mean = np.asarray(change(y.mean(dtype=np.float32)), np.float32)
        found[f"request-generated-00{number}"] = {"y": y, "mean": mean}
    return found


def judge_requests(found, reference):
    noise = measure_noise(Reference(signature=None, outputs=reference))
    return numeric_parity(reference, found, noise=noise, subject="mean")


@pytest.mark.parametrize(
    ("change", "result", "words"),
    [
        (lambda mean: mean * np.float32(1 + 1e-6), Result.PASS, "is rounding"),
        (lambda mean: mean * np.float32(1.01), Result.FAIL, "output 'mean' differs"),
        (lambda mean: mean + np.float32(1e-3), Result.FAIL, "output 'mean' differs"),
        (lambda mean: mean * np.float32(np.nan), Result.FAIL, "has NaN"),
        (lambda mean: mean[None], Result.FAIL, "output 'mean' has shape [1]"),
    ],
)
def test_scalars_beside_rows_are_judged_as_closely(change, result, words):
    verdict = judge_requests(requests(change), requests())
    assert verdict.result is result, verdict.reason
    assert words in verdict.reason
    assert verdict.figures["requests"] == 6
    assert "rows" not in verdict.figures


def test_requests_that_are_all_answered_alike_are_inconclusive():
    """Rows inside of an answer may differ without any dependence on what was asked."""
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = {f"request-generated-00{n}": {"y": table, "n": np.array(2.0, np.float32)} for n in range(4)}
    verdict = judge_requests(found, found)
    assert verdict.result is Result.INCONCLUSIVE
    assert "every row alike" in verdict.reason


@pytest.mark.parametrize("shape", [(), (3, 1)])
def test_text_beside_numbers_of_one_shape_is_judged_and_not_taken_for_swapped(shape):
    """A text cannot be measured against a number; a wrong answer in one must not end in an error."""
    reference = {"request-real-001": {"m": np.ones(shape, np.float64), "name": np.full(shape, b"a", object)}}
    for wrong in ({"m": np.full(shape, 2.0)}, {"name": np.full(shape, b"b", object)}):
        found = {"request-real-001": {**reference["request-real-001"], **wrong}}
        verdict = judge_requests(found, reference)
        assert verdict.result is Result.FAIL
        assert f"output {next(iter(wrong))!r}" in verdict.reason
        assert "swapped" not in verdict.reason
