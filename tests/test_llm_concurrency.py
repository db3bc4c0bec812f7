"""Adaptive concurrency, in virtual time: as many calls at once as pay, and no more."""

import pytest

from tasks.llm.concurrency import Concurrency
from tests.virtual_server import VirtualServer

ENDLESS = 10**9
P95_AT_REST = 1.35  # The 95th percentile of a lognormal of mean 0.5 and sigma 0.8.


def _concurrency(ceiling: int, server: VirtualServer) -> Concurrency:
    return Concurrency(ceiling, clock=lambda: server.now)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("refusals", [0.0, 0.055])
def test_a_server_that_can_take_it_gets_all_there_is(seed: int, refusals: float) -> None:
    server = VirtualServer(ENDLESS, refusals=lambda now: refusals, seed=seed)
    seen = server.work_off(_concurrency(256, server), 20_000)
    assert seen.wall_s <= 1.05 * seen.ideal_s
    assert seen.slots > 250


@pytest.mark.parametrize("seed", range(1, 5))
def test_few_slots_are_hardly_ever_left_empty(seed: int) -> None:
    server = VirtualServer(ENDLESS, seed=seed)
    seen = server.work_off(_concurrency(64, server), 5_000)
    assert seen.wall_s <= 1.025 * seen.ideal_s


# With the eleventh the first answers are so quick that the rest was held against them.
@pytest.mark.parametrize("seed", [1, 2, 11])
@pytest.mark.parametrize(("ceiling", "capacity"), [(256, 64), (1024, 200), (64, 40), (64, 16)])
def test_a_server_that_only_queues_is_not_flooded(ceiling: int, capacity: int, seed: int) -> None:
    server = VirtualServer(capacity, seed=seed)
    concurrency = _concurrency(ceiling, server)
    settling = server.work_off(concurrency, 80 * capacity)
    settled_at = server.now
    seen = server.work_off(concurrency, 160 * capacity)
    assert settling.wall_s <= 1.25 * settling.ideal_s
    assert 160 * capacity / (seen.wall_s - settled_at) >= 0.8 * capacity / 0.5
    assert seen.p95_s <= 2 * P95_AT_REST


@pytest.mark.parametrize(("latency_s", "burst_s"), [(0.5, 5), (2, 5), (20, 30)])
def test_slots_that_a_burst_of_refusals_took_come_back(latency_s: float, burst_s: float) -> None:
    began, ended = 30 * latency_s, 30 * latency_s + burst_s
    limits: list[tuple[float, int]] = []

    def refuse(now: float) -> float:
        limits.append((now, concurrency.limit))
        return float(began <= now < ended)

    server = VirtualServer(ENDLESS, mean=lambda now: latency_s, refusals=refuse)
    concurrency = _concurrency(64, server)
    server.work_off(concurrency, 6_000)
    assert min(limit for now, limit in limits if now > began) < 16
    assert any(limit >= 58 for now, limit in limits if ended < now < ended + 40 * latency_s)


@pytest.mark.parametrize(("capacity", "ceiling"), [(3, 16), (16, 64), (64, 256)])
def test_a_server_that_refuses_what_is_too_much_is_not_asked_for_it(
    capacity: int, ceiling: int
) -> None:
    server = VirtualServer(ENDLESS)
    concurrency = _concurrency(ceiling, server)
    server.refusals = lambda now: float(server.busy >= capacity)
    seen = server.work_off(concurrency, 200 * capacity)
    assert seen.slots <= 1.25 * capacity


def test_longer_answers_are_no_reason_to_have_fewer() -> None:
    server = VirtualServer(ENDLESS, mean=lambda now: 0.5 if now < 20 else 2.0)
    concurrency = _concurrency(64, server)
    assert server.work_off(concurrency, 6_000).slots > 56


def test_a_server_that_refuses_what_is_too_much_gets_less() -> None:
    concurrency = Concurrency(64, clock=lambda: 0.0)
    assert [concurrency.refused(under_way=20) for _ in range(9)] == [False] * 9
    before = concurrency.limit
    assert concurrency.refused(under_way=20)
    assert concurrency.limit == int(before * (1 - 10 / 30))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_this_process_is_late_with_is_not_the_servers_fault(seed: int) -> None:
    server = VirtualServer(ENDLESS, client_s=1 / 300, seed=seed)
    concurrency = _concurrency(256, server)
    begun_at = server.work_off(concurrency, 1_000).wall_s
    seen = server.work_off(concurrency, 20_000)
    assert seen.wall_s - begun_at <= 1.05 * 20_000 / 300
    assert seen.slots == 256


def test_few_slots_are_somebodys_wish() -> None:
    server = VirtualServer(ENDLESS, seed=5)
    concurrency = _concurrency(4, server)
    seen = server.work_off(concurrency, 1_000)
    assert seen.slots == 4
