"""What several processes say of their start, as one report."""

from shipway.server.report import ModelStatus, join_reports

READY = ModelStatus("tiny", "1", is_ready=True, reason="")
REFUSED = ModelStatus("tiny", "1", is_ready=False, reason="output 'y' differs")
OTHER = ModelStatus("echo", "1", is_ready=True, reason="")


def test_equal_reports_are_one():
    report = join_reports("http://127.0.0.1:1", [[READY, OTHER], [READY, OTHER]])
    assert report.models == (READY, OTHER)
    assert report.is_ready


def test_a_version_that_one_process_refused_is_refused():
    for told in ([[READY, OTHER], [REFUSED, OTHER]], [[REFUSED, OTHER], [READY, OTHER]]):
        report = join_reports("", told)
        assert report.models == (REFUSED, OTHER)
        assert not report.is_ready
