import json
from pathlib import Path

from benchmarks import report
from benchmarks.cases import CASES
from benchmarks.residence import Residence
from benchmarks.samples import Pair, Ratio
from benchmarks.targets import TARGETS
from benchmarks.webhook import Latency
from rich.console import Console

BY_NAME = {case.name: case for case in CASES}
PAIR = Pair(Ratio(1.25, 1.2, 1.4), Ratio(1.1, 1.0, 1.2), 5.0, 4.0, 60.0)
OUTCOMES = [
    report.Outcome(BY_NAME["bulk"], PAIR),
    report.Outcome(BY_NAME["latency-400"], Latency(0.004, 0.051, 100, 4_990.0)),
    report.Outcome(BY_NAME["memory"], Residence(50.0, 51.0, 1_000_000)),
    report.Outcome(BY_NAME["jobs-2"], None, "`lanner scan` has no `-j`"),
]


def test_names_of_cases_are_unique_and_every_target_has_its_case() -> None:
    assert len(BY_NAME) == len(CASES)
    assert {target.case for target in TARGETS} <= set(BY_NAME)


def test_targets_are_held_against_what_was_measured() -> None:
    verdicts = {verdict.target.what: verdict for verdict in report.judge(OUTCOMES)}

    assert verdicts["bulk recording: CPU beside decoding"].holds
    assert verdicts["bulk recording: events per CPU-second beside Falco's"].found == 40.0
    assert verdicts["bulk recording: events per CPU-second beside Falco's"].holds
    assert not verdicts["webhook, batches of 400, 5,000 events/s: p99 in ms"].holds
    assert verdicts["memory at the end beside the start"].found == 1.02
    assert len(verdicts) == 4


def test_tables_show_every_case(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        console = Console(file=file, width=140)
        report.show(OUTCOMES, console)
        report.show_verdicts(report.judge(OUTCOMES), console)
    text = (tmp_path / "out").read_text()

    assert "200,000" in text
    assert "1.20-1.40" in text
    assert "51.0" in text
    assert "jobs-2: skipped: `lanner scan` has no `-j`" in text


def test_results_are_written_as_json(tmp_path: Path) -> None:
    path = tmp_path / "results.json"

    report.save(path, OUTCOMES, report.judge(OUTCOMES), {"rules": "r"})

    document = json.loads(path.read_bytes())
    assert document["about"]["rules"] == "r"
    assert document["cases"][0]["cpu"] == {"median": 1.25, "least": 1.2, "greatest": 1.4}
    assert document["cases"][3]["note"]
    assert [target["holds"] for target in document["targets"]] == [True, True, False, True]
