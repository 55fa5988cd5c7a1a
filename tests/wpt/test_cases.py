"""The list of cases and the tests belong together."""

import cases


def test_every_case_that_applies_has_a_test_and_no_other_has(request):
    shown = {item.callspec.params["case"][0] for item in request.session.items if item.get_closest_marker("wpt")}
    assert shown == set(cases.OURS)


def test_every_case_is_listed_once():
    listed = [name for groups in cases.AREAS.values() for group in groups for name in group["cases"]]
    assert len(listed) == len(set(listed))


def test_every_case_that_does_not_apply_says_why():
    for name, group in cases.GROUPS.items():
        assert ("why" in group) == (group["mark"] == "-"), name
        assert group["mark"] in ("D", "P", "-"), name
