"""What happens in each picture: the steps of docs/strategies.md, with short times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from scripts.pictures.drawing import Mark, Picture, Row, Shares
from scripts.pictures.played import LATER, STABLE, TRIED, Course

from serinus.core.model.kinds import Json
from tests.support.world import World
from tests.support.world.grouped import pair, prep, scorer
from tests.support.world.served import Served

GUARD: Json = {"duration": "2m"}
WEIGHTS: list[Json] = [
    {"setWeight": 5},
    {"pause": {"duration": "1m"}},
    {"setWeight": 25},
    {"pause": {"duration": "1m"}},
    {"setWeight": 50},
    {"pause": {"duration": "1m"}},
]
PREMIUM: Json = {"headerName": "x-tier", "headerValue": {"exact": "premium"}}
TESTERS: Json = {"headerName": "x-preview", "headerValue": {"exact": "yes"}}
BOTH = (STABLE, TRIED)


def has_succeeded(world: World) -> bool:
    """Tell whether the version that is tried is stable now."""
    return (world.tried, world.phase) == (TRIED, "Succeeded")


async def weights() -> Picture:
    """A good version and a bad one."""
    course = Course({"steps": WEIGHTS, "guard": GUARD})
    await course.begin()
    await course.commit(TRIED)
    await course.until(lambda world: world.routed.get(TRIED) == 100)
    course.mark("the guard begins")
    await course.until(lambda world: world.phase == "Succeeded")
    await course.run(20)
    await course.commit(LATER)
    await course.until(lambda world: world.routed.get(LATER) == 25)
    await course.run(40)
    course.world.models[LATER].error_rate = 0.5
    course.mark("44 fails: reverted")
    await course.until(lambda world: world.phase == "Reverted")
    await course.run(60)
    title = "Version 43 rises to 5, 25, 50 and 100 %. Version 44 fails at 25 %, and version 43 has everybody again."
    row = course.row("requests", "weights")
    return Picture("weights", title, (STABLE, TRIED, LATER), (row,), course.marks)


async def cohort() -> Picture:
    """Premium users first."""
    steps = [{"setHeaderRoute": {"match": [PREMIUM]}}, {"pause": {"duration": "2m"}}, *WEIGHTS[2:]]
    course = Course({"steps": steps, "guard": {"duration": "1m"}})
    course.world.cohort = 20.0
    await course.begin()
    await course.commit(TRIED)
    await course.until(has_succeeded)
    await course.run(20)
    title = "Premium users have version 43 two minutes before everybody else begins to get it."
    rows = (
        course.row("x-tier: premium", "cohort", height=22, unit=""),
        course.row("everybody else", "weights"),
    )
    return Picture("cohort", title, BOTH, rows, course.marks)


async def blue_green() -> Picture:
    """A preview, a switch, and the guard."""
    course = Course({"strategy": {"blueGreen": {"preview": {"match": [TESTERS]}}}, "guard": GUARD})
    course.world.cohort = 1.0
    await course.begin()
    await course.commit(TRIED)
    await course.run(110)
    course.mark("promote")
    course.lever(promote={"throughStep": 3})
    await course.until(lambda world: world.phase == "Succeeded")
    course.mark("the guard is over")
    await course.run(40)
    title = (
        "Testers see version 43 at once, everybody else at the switch; both versions have all of their pods meanwhile."
    )
    rows = (
        course.row("x-preview: yes", "cohort", height=22, unit=""),
        course.row("everybody else", "weights", height=60),
        course.row("pods", "pods", height=44, total=8.0, unit=" pods"),
    )
    return Picture("blue-green", title, BOTH, rows, course.marks)


async def shadow() -> Picture:
    """Copies first."""
    steps = [{"setMirrorRoute": {"percentage": 20}}, {"pause": {"duration": "2m"}}, *WEIGHTS[:4]]
    course = Course({"steps": steps, "guard": {"duration": "1m"}})
    await course.begin()
    await course.commit(TRIED)
    await course.until(has_succeeded)
    await course.run(20)
    title = "Version 43 gets copies of 20 % of the requests for two minutes, and answers nobody; then it gets weights."
    copies = course.row("copies", "copies", height=22, total=20.0, copies=True)
    return Picture("shadow", title, BOTH, (course.row("requests", "weights"), copies), course.marks)


async def sticky() -> Picture:
    """Users who stay, through a raise, until an abort."""
    steps = [{"setWeight": 20}, {"pause": {"duration": "90s"}}, {"setWeight": 50}, {"pause": {}}]
    course = Course({"steps": steps, "guard": GUARD})
    await course.begin()
    await course.commit(TRIED)
    await course.until(lambda world: world.routed.get(TRIED) == 50)
    await course.run(90)
    course.mark("abort")
    course.lever(abort=True)
    await course.run(45)
    title = (
        "Each user stays with the version that answered first, through the raise; after the abort all are on stable."
    )
    users = [
        Row("users" if number == 0 else "", list(_user(course.weights, came, luck)), height=13, unit="")
        for number, (came, luck) in enumerate(USERS)
    ]
    return Picture("sticky", title, BOTH, (course.row("requests", "weights", height=60), *users), course.marks)


USERS = ((25, 0.5), (30, 0.1), (45, 0.7), (60, 0.3), (75, 0.15), (100, 0.9), (140, 0.4), (155, 0.6), (170, 0.35))
"""When each one comes, and how the gateway's dice fall then."""


def _user(weights: Sequence[Shares], came: int, luck: float) -> Iterable[Shares]:
    """Tell which version a user has: the one that answered first, for as long as requests are split."""
    first = TRIED if luck * 100 < weights[came].get(TRIED, 0.0) else STABLE
    for at, second in enumerate(weights):
        alone = next((version for version, weight in second.items() if weight == 100), None)
        yield {alone or first: 100.0} if at >= came else {}


async def ab_test() -> Picture:
    """Two versions side by side for days, until the goal is decided: told, not played."""
    days = [(1, 0.0), (9, 50.0), (3, 100.0)]
    title = "Stable and canary have half of the users each, until the goal is decided; the winner gets everybody."
    marks = (Mark(24, "43 is committed"), Mark(240, "the goal is decided: 43 wins"))
    row = Row("users", list(_steps(((24 * number, weight) for number, weight in days), STABLE, TRIED)))
    return Picture("ab-test", title, BOTH, (row,), marks, (48.0, "d", 2))


async def group() -> Picture:
    """Two models that move together, and one of them fails."""
    policy: Json = {"steps": WEIGHTS, "guard": GUARD}
    world, other = await pair(**policy)
    seen: dict[str, list[Shares]] = {"scorer": [], "preprocessor": []}

    async def tick() -> None:
        await world.tick()
        seen["scorer"].append(_by_release(world))
        seen["preprocessor"].append(_by_release(other))

    async def run(seconds: int) -> int:
        for _ in range(seconds):
            await tick()
        return len(seen["scorer"])

    async def until(check: Callable[[], bool]) -> None:
        while not check():
            await tick()

    began = await run(20)
    world.commit(scorer("2", "r2", **policy))
    world.commit(prep("p2", "r2", **policy))
    await until(lambda: world.routed.get("2") == 50)
    failed = await run(30)
    world.models["2"].error_rate = 0.5
    await until(lambda: world.phase == other.phase == "Reverted")
    await run(45)
    title = "Preprocessor and scorer rise in the same steps; the scorer fails at 50 %, and both go back at once."
    marks = (Mark(began, "release 2 is committed to both"), Mark(failed, "the scorer fails: both go back"))
    rows = tuple(Row(name, seen[name], height=56) for name in ("preprocessor", "scorer"))
    return Picture("group", title, ("release 1", "release 2"), rows, marks)


def _by_release(one: Served) -> Shares:
    """Tell what each release has: versions are called 1 and 2, or p1 and p2."""
    return {f"release {version[-1]}": float(weight) for version, weight in one.routed.items()}


def _steps(steps: Iterable[tuple[int, float]], old: str, new: str) -> Iterable[Shares]:
    for seconds, weight in steps:
        yield from [{old: 100.0 - weight, new: weight}] * seconds


STORIES = (weights, cohort, shadow, blue_green, ab_test, sticky, group)
