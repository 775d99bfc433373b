"""What the user wants of every rule, by both APIs: rendered, read back, kept, and told from somebody else's edit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.retries import RetryOn
from serinus.api.traffic import RoutingApi, Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import Json
from serinus.core.model.matches import By, Match, Part
from serinus.core.model.split import Split
from serinus.core.plan.diff import carries
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.provider import RoutePlan, TrafficProvider

OWNER = Owner(namespace="ml", name="fraud", uid="5d2c8a3e-0000-4000-8000-000000000001")
STABLE, CANARY = "fraud-aaaaaaaaaa", "fraud-bbbbbbbbbb"
COHORT = (Match(Part.HEADER, "x-tier", By.EXACT, "premium"), Match(Part.COOKIE, "group", By.PREFIX, "staff"))
HALF = Split(((STABLE, 75), (CANARY, 25)), COHORT)
BACK = Split(((STABLE, 100), (CANARY, 0)))
ISTIO, GATEWAY_API = Istio(mesh=True), GatewayApi()
ROUTED: dict[RoutingApi, Json] = {
    RoutingApi.ISTIO: {"istio": {"gateways": ["public"]}},
    RoutingApi.GATEWAY_API: {"provider": "gatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "public"}]}},
}
BOTH = pytest.mark.parametrize("api", [ISTIO, GATEWAY_API], ids=["Istio", "Gateway API"])
RETRIES: Json = {"attempts": 2, "perTryTimeout": "500ms", "retryOn": ["5xx", "reset"]}
WANTED: Json = {"timeout": "30s", "allPaths": True}


def traffic_of(api: TrafficProvider, **wanted: Any) -> Traffic:
    return Traffic.parse({**ROUTED[api.api], **wanted})


def route(api: TrafficProvider, split: Split = HALF, **wanted: Any) -> Json:
    """Render the route of the user's gateways, as the API server gives it back."""
    return copy.deepcopy(api.render_routes(RoutePlan(OWNER, traffic_of(api, **wanted), split), {})[0])


def rules_of(manifest: Json) -> list[Json]:
    rules: list[Json] = manifest["spec"].get("http") or manifest["spec"]["rules"]
    return rules


def destinations(rule: Json) -> list[Json]:
    found: list[Json] = rule.get("route") or rule["backendRefs"]
    return found


def answered_by(destination: Json) -> tuple[str, str]:
    """Tell where requests go, and by which name answers come back."""
    if "destination" in destination:
        host = destination["destination"]["host"].partition(".")[0]
        return host, destination["headers"]["response"]["set"]["x-serinus-revision"]
    (named,) = destination["filters"]
    (header,) = named["responseHeaderModifier"]["set"]
    assert (named["type"], header["name"]) == ("ResponseHeaderModifier", "x-serinus-revision")
    return destination["name"], header["value"]


def as_before(manifest: Json) -> Json:
    """Take away what the version before this one did not write."""
    for rule in rules_of(manifest):
        for destination in destinations(rule):
            destination.pop("headers", None)
            destination.pop("filters", None)
    return manifest


@pytest.mark.parametrize(
    ("api", "wanted", "field", "value"),
    [
        pytest.param(ISTIO, {"timeout": "30s"}, "timeout", "30s", id="Istio: a timeout"),
        pytest.param(GATEWAY_API, {"timeout": "30s"}, "timeouts", {"request": "30s"}, id="Gateway API: a timeout"),
        pytest.param(ISTIO, {}, "timeout", None, id="Istio: no timeout"),
        pytest.param(GATEWAY_API, {}, "timeouts", None, id="Gateway API: no timeout"),
        pytest.param(ISTIO, {}, "retries", {"attempts": 0}, id="Istio: no retries"),
        pytest.param(ISTIO, {"retries": {}}, "retries", {"attempts": 0}, id="Istio: empty retries"),
        pytest.param(ISTIO, {"retries": {"attempts": 3}}, "retries", {"attempts": 3}, id="Istio: attempts alone"),
        pytest.param(ISTIO, {"retries": RETRIES}, "retries", {**RETRIES, "retryOn": "5xx,reset"}, id="Istio: retries"),
    ],
)
def test_every_rule_has_what_is_asked_for(api: TrafficProvider, wanted: Json, field: str, value: object) -> None:
    """Those of a cohort, too."""
    rules = rules_of(route(api, **wanted))
    assert [rule.get(field) for rule in rules] == [value] * 4


@BOTH
def test_answers_name_the_revision_that_each_destination_is(api: TrafficProvider) -> None:
    """Of every rule, the cohort's too."""
    found = [answered_by(one) for rule in rules_of(route(api)) for one in destinations(rule)]
    assert len(found) == 6
    assert all(to == named for to, named in found)


@BOTH
def test_answers_name_nobody_where_that_is_turned_off(api: TrafficProvider) -> None:
    assert route(api, revisionHeader=False) == as_before(route(api))


@BOTH
@pytest.mark.parametrize("wanted", [{}, WANTED], ids=["the defaults", "settings"])
@pytest.mark.parametrize(
    "split",
    [HALF, BACK, Split(((STABLE, 100),)), Split(((STABLE, 100), (CANARY, 0)), mirror=20)],
    ids=["a cohort", "all on stable", "one alone", "copies"],
)
def test_a_route_of_the_version_before_says_what_it_said(api: TrafficProvider, wanted: Json, split: Split) -> None:
    """It lacks the header: its split stands, and the header is a difference that the next pass writes."""
    old = as_before(route(api, split, **wanted))
    assert api.read(old) == split
    assert not carries(old, route(api, split, **wanted))


STICKY: Json = {"sessionAffinity": {"cookie": {"name": "model", "maxAge": "1h"}}}
SHARED = Split(((STABLE, 75), (CANARY, 25)))


def cookies_of(rule: Json) -> list[str]:
    """List the cookies that answers of a rule set."""
    if "route" in rule:
        return [to["headers"]["response"].get("add", {}).get("set-cookie", "") for to in rule["route"]]
    modifiers = [backend["filters"][0]["responseHeaderModifier"] for backend in rule["backendRefs"]]
    return [headers.get("add", [{"value": ""}])[0]["value"] for headers in modifiers]


@BOTH
def test_whoever_is_new_gets_a_cookie_and_comes_back_by_it(api: TrafficProvider) -> None:
    """Over HTTP; a rule for the users of each revision comes before the weights."""
    *kept, grpc, http = rules_of(route(api, SHARED, **STICKY))
    assert [rule["name"] for rule in kept] == [f"http-{STABLE}", f"http-{CANARY}"]
    assert [answered_by(one)[0] for rule in kept for one in destinations(rule)] == [STABLE, CANARY]
    assert cookies_of(http) == [
        f"model={revision}.{CANARY.rpartition('-')[2]}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"
        for revision in (STABLE, CANARY)
    ]
    assert [cookies_of(rule) for rule in (*kept, grpc)] == [[""], [""], ["", ""]]


@BOTH
def test_each_canary_draws_all_users_anew(api: TrafficProvider) -> None:
    """Who stayed with stable beside another canary comes with a cookie that no rule knows; what is set stays ours."""
    other = f"{CANARY.rpartition('-')[0]}-0123456789"
    next_one = Split(((STABLE, 75), (other, 25)))
    first, second = (rules_of(route(api, one, **STICKY)) for one in (SHARED, next_one))
    assert first[0]["name"] == second[0]["name"] == f"http-{STABLE}"
    assert first[0] != second[0]
    assert api.read(route(api, next_one, **STICKY)) == next_one


@BOTH
@pytest.mark.parametrize(
    "split",
    [
        pytest.param(BACK, id="after a revert"),
        pytest.param(Split(((STABLE, 0), (CANARY, 100))), id="at 100 %"),
        pytest.param(Split(((STABLE, 100),)), id="one alone"),
        pytest.param(Split(((STABLE, 100), (CANARY, 0)), COHORT), id="a cohort alone"),
    ],
)
def test_nobody_is_kept_where_only_one_revision_has_weight(api: TrafficProvider, split: Split) -> None:
    """A revert, an abort and the end of a rollout beat stickiness in the same write."""
    assert route(api, split, **STICKY) == route(api, split)


@BOTH
def test_a_cohort_goes_before_those_who_are_kept(api: TrafficProvider) -> None:
    """Who is in the cohort sees the canary, whatever the cookie says."""
    names = [rule["name"] for rule in rules_of(route(api, HALF, **STICKY))]
    assert names == ["grpc-cohort", "http-cohort", f"http-{STABLE}", f"http-{CANARY}", "grpc", "http"]


def test_the_most_that_a_sticky_cohort_may_have_fits_into_an_http_route() -> None:
    """The API admits 128 matches in a route."""
    most = tuple(Match(Part.HEADER, "x-user", By.EXACT, str(number)) for number in range(16))
    rules = rules_of(route(GATEWAY_API, Split(HALF.weights, most), **STICKY))
    assert sum(len(rule["matches"]) for rule in rules) <= 128


SPLITS = st.builds(
    lambda weight, matches, mirror: Split(((STABLE, 100 - weight), (CANARY, weight)), matches, mirror),
    st.integers(0, 100),
    st.sampled_from([(), COHORT[:1], COHORT]),
    st.integers(0, 100),
)
TIMES = st.none() | st.builds("{}{}".format, st.integers(1, 99_999), st.sampled_from(["ms", "s", "m", "h"]))
REASONS = st.none() | st.lists(st.sampled_from([*RetryOn]), unique=True, min_size=1)
TRIES = st.fixed_dictionaries({"attempts": st.integers(1, 10), "perTryTimeout": TIMES, "retryOn": REASONS})
SWITCHES = st.none() | st.booleans()
STICKINESS = st.sampled_from([None, {"cookie": {}}, {"cookie": {"name": "a.b", "maxAge": "90m"}}])
PREFIXES = st.none() | st.from_regex(r"(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,6}){1,4}", fullmatch=True)
SETTINGS = st.fixed_dictionaries(
    {
        "timeout": TIMES,
        "allPaths": SWITCHES,
        "revisionHeader": SWITCHES,
        "sessionAffinity": STICKINESS,
        "pathPrefix": PREFIXES,
    }
)


@BOTH
@given(split=SPLITS, wanted=SETTINGS, retries=st.none() | TRIES)
def test_what_is_rendered_is_read_back_whatever_the_settings(
    api: TrafficProvider, split: Split, wanted: Json, retries: Json | None
) -> None:
    """And another split leaves them as they are."""
    wanted = {**wanted, "retries": retries} if api is ISTIO else wanted
    there = route(api, split, **wanted)
    assert api.read(there) == split
    assert api.resplit(OWNER, there, BACK)["spec"] == route(api, BACK, **wanted)["spec"]


def _first(name: str, value: object) -> Callable[[Json], object]:
    """Set a field in the first rule alone."""
    return lambda manifest: rules_of(manifest)[0].update({name: value})


def _answers(manifest: Json) -> Iterator[Json]:
    """List what destinations do to answers."""
    for rule in rules_of(manifest):
        for one in destinations(rule):
            yield one["headers"]["response"] if "headers" in one else one["filters"][0]["responseHeaderModifier"]


def _of_another(manifest: Json) -> None:
    named = next(_answers(manifest))["set"]
    if isinstance(named, list):
        named[0]["value"] = "mine"
    else:
        named["x-serinus-revision"] = "mine"


def _nobody(manifest: Json) -> None:
    for field in ("headers", "filters"):
        destinations(rules_of(manifest)[0])[0].pop(field, None)


def _more(manifest: Json) -> None:
    for answers in _answers(manifest):
        answers["remove"] = ["server"]


def _in_all(name: str, value: object) -> Callable[[Json], None]:
    def edit(manifest: Json) -> None:
        for rule in rules_of(manifest):
            rule[name] = value

    return edit


EDITS = [
    pytest.param(ISTIO, _first("timeout", "1s"), id="Istio: a timeout of one rule"),
    pytest.param(ISTIO, _first("retries", {"attempts": 3}), id="Istio: retries of one rule"),
    pytest.param(ISTIO, lambda one: rules_of(one)[0].pop("retries"), id="Istio: one rule by the mesh's retries"),
    pytest.param(ISTIO, _in_all("retries", {"attempts": 1, "retryRemoteLocalities": True}), id="Istio: more retries"),
    pytest.param(ISTIO, _in_all("headers", {"request": {"set": {"a": "b"}}}), id="Istio: headers of all rules"),
    pytest.param(ISTIO, _of_another, id="Istio: another's name"),
    pytest.param(ISTIO, _nobody, id="Istio: a name less"),
    pytest.param(ISTIO, _more, id="Istio: more done to answers"),
    pytest.param(ISTIO, _first("rewrite", {"uri": "/"}), id="Istio: a path that one rule rewrites"),
    pytest.param(ISTIO, _in_all("rewrite", {"uri": "/"}), id="Istio: paths that are rewritten and not below a prefix"),
    pytest.param(GATEWAY_API, _first("timeouts", {"request": "1s"}), id="Gateway API: a timeout of one rule"),
    pytest.param(
        GATEWAY_API,
        _in_all("timeouts", {"request": "1s", "backendRequest": "1s"}),
        id="Gateway API: a timeout of another kind",
    ),
    pytest.param(GATEWAY_API, _in_all("retry", {"attempts": 3}), id="Gateway API: retries"),
    pytest.param(GATEWAY_API, _of_another, id="Gateway API: another's name"),
    pytest.param(GATEWAY_API, _nobody, id="Gateway API: a name less"),
    pytest.param(GATEWAY_API, _more, id="Gateway API: more done to answers"),
]


@pytest.mark.parametrize(("api", "edit"), EDITS)
def test_what_nobody_could_have_asked_for_is_somebody_elses_edit(
    api: TrafficProvider, edit: Callable[[Json], object]
) -> None:
    there = route(api, timeout="30s")
    edit(there)
    assert api.read(there) is None
    assert not carries(there, route(api, timeout="30s"))


@pytest.mark.parametrize(
    ("api", "edit"),
    [
        pytest.param(ISTIO, _in_all("timeout", "1s"), id="Istio: the timeout"),
        pytest.param(ISTIO, _in_all("retries", {"attempts": 3}), id="Istio: the retries"),
        pytest.param(GATEWAY_API, _in_all("timeouts", {"request": "1s"}), id="Gateway API: the timeout"),
        pytest.param(ISTIO, as_before, id="Istio: the names"),
        pytest.param(GATEWAY_API, as_before, id="Gateway API: the names"),
    ],
)
def test_what_the_user_could_have_asked_for_reads_as_a_split_and_is_a_difference(
    api: TrafficProvider, edit: Callable[[Json], object]
) -> None:
    """Everybody gets what the route says, so the split is clear; the next pass writes what was asked for."""
    there = route(api, timeout="30s")
    edit(there)
    assert api.read(there) == HALF
    assert not carries(there, route(api, timeout="30s"))


@BOTH
def test_a_route_whose_rules_are_gone_comes_back_with_the_defaults(api: TrafficProvider) -> None:
    """No path of the server's administration is opened by it."""
    there = route(api, allPaths=True)
    there["spec"]["http" if api is ISTIO else "rules"] = []
    assert rules_of(api.resplit(OWNER, there, BACK)) == rules_of(route(api, BACK, revisionHeader=False))
