"""The next step, as tables: what was seen, and what is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from metrics_api.objects import WRITTEN, APIServiceState, Endpoint, ObjectName
from metrics_api.verifiedtls import material
from metrics_api.verifiedtls.decide import (
    MANAGED,
    OFF,
    SWITCH,
    Observed,
    Presented,
    Publish,
    Rest,
    Step,
    Trust,
    Wait,
    Write,
    decide,
    digest,
    findings,
    is_published,
    trust_in,
)
from metrics_api.verifiedtls.material import Change, Lifetimes, Material

NOW = 1_767_225_600.0
DAY = 86400.0
SERVICE = ObjectName("kube-system", "metrics-server")
OTHER = ObjectName("monitoring", "prometheus-adapter")
LIFETIMES = Lifetimes()
SETTLE = 300.0


def changed(what: Change, before: Material | None = None, now: float = NOW) -> Material:
    return material.change(what, before, SERVICE, LIFETIMES, now)


FIRST = changed(Change.MAKE)
ANNOUNCED = changed(Change.ADD_NEXT, FIRST)
PROMOTED = changed(Change.PROMOTE, ANNOUNCED)
STRANGE = changed(Change.MAKE)


def insecure(**more: Any) -> APIServiceState:
    return APIServiceState("v1beta1.metrics.k8s.io", "1", SERVICE, is_insecure=True, ca_bundle=b"", **more)


def trusting(bundle: bytes, *, written: bytes | None = None, **annotations: str) -> APIServiceState:
    """An APIService that verifies by a bundle, which we wrote unless another is given as written."""
    marks = {WRITTEN: digest(bundle if written is None else written), **annotations}
    return APIServiceState(
        "v1beta1.metrics.k8s.io", "1", SERVICE, is_insecure=False, ca_bundle=bundle, annotations=marks
    )


def showing(*held: Material | None) -> list[Presented]:
    return [
        Presented(Endpoint("10.0.0.1", port), None if each is None else material.shown(each.leaf.certificate))
        for port, each in enumerate(held)
    ]


def seen(**more: Any) -> Observed:
    usual: dict[str, Any] = {
        "service": SERVICE,
        "now": NOW,
        "has_secret": True,
        "is_managed": True,
        "material": FIRST,
        "api_services": [trusting(FIRST.bundle)],
        "endpoints": showing(FIRST, FIRST),
        "settled": 0.0,
    }
    return Observed(**{**usual, **more})


def step(**more: Any) -> Step:
    return decide(seen(**more), LIFETIMES, SETTLE)


def test_when_all_is_well_nothing_is_done() -> None:
    assert step() == Rest()


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        pytest.param({"has_secret": False, "material": None}, Wait, id="no Secret"),
        pytest.param({"material": None}, Change.MAKE, id="empty"),
        pytest.param({"material": None, "remembered": FIRST}, Change.RESTORE, id="emptied, and we remember"),
        pytest.param(
            {"material": None, "remembered": FIRST, "now": NOW + 366 * DAY}, Change.MAKE, id="what we remember ended"
        ),
        pytest.param({"material": None, "fault": "broken"}, Change.MAKE, id="broken and ours"),
        pytest.param({"material": None, "fault": "broken", "is_managed": False}, Wait, id="broken and not ours"),
        pytest.param({"now": NOW + 366 * DAY}, Change.MAKE, id="authority ended"),
        pytest.param({"is_rotation_wanted": True}, Change.ADD_NEXT, id="another authority is wanted"),
        pytest.param(
            {
                "is_rotation_wanted": True,
                "material": PROMOTED,
                "api_services": [trusting(PROMOTED.bundle)],
                "endpoints": showing(PROMOTED),
            },
            Wait,
            id="wanted while one is being replaced",
        ),
        pytest.param({"now": NOW + 59 * DAY}, Rest, id="leaf not due"),
        pytest.param({"now": NOW + 61 * DAY}, Change.RENEW_LEAF, id="leaf due"),
        pytest.param({"now": NOW + 100 * DAY}, Change.RENEW_LEAF, id="leaf ended"),
        pytest.param(
            {"material": replace(FIRST, signing=STRANGE.signing, previous=FIRST.signing.certificate)},
            Change.RENEW_LEAF,
            id="leaf of another authority",
        ),
    ],
)
def test_the_secret_is_filled_and_renewed(state: dict[str, Any], wanted: Any) -> None:
    found = step(**state)

    assert found == Write(wanted) if isinstance(wanted, Change) else isinstance(found, wanted)


def test_an_authority_is_replaced_in_three_steps_with_time_for_every_kube_apiserver_to_hear_of_it() -> None:
    due = NOW + 250 * DAY
    old = changed(Change.RENEW_LEAF, FIRST, due)
    new = changed(Change.ADD_NEXT, old, due)
    moved = changed(Change.PROMOTE, new, due)

    def then(held: Material, trusted: Material, shown: Material, settled: float) -> Step:
        return step(
            now=due,
            material=held,
            api_services=[trusting(trusted.bundle)],
            endpoints=showing(shown, old),
            settled=settled,
        )

    assert then(old, old, old, 0) == Write(Change.ADD_NEXT)
    assert isinstance(then(new, old, old, 0), Publish)
    assert isinstance(then(new, new, old, SETTLE - 1), Wait)
    assert then(new, new, old, SETTLE) == Write(Change.PROMOTE)
    assert isinstance(then(moved, moved, moved, SETTLE), Wait)  # one endpoint still shows the old
    done = seen(
        now=due, material=moved, api_services=[trusting(moved.bundle)], endpoints=showing(moved, moved), settled=SETTLE
    )
    assert decide(done, LIFETIMES, SETTLE) == Write(Change.RETIRE)
    assert isinstance(decide(replace(done, settled=1.0), LIFETIMES, SETTLE), Wait)
    retired = changed(Change.RETIRE, moved, due)
    assert isinstance(decide(replace(done, material=retired), LIFETIMES, SETTLE), Publish)


def test_a_leaf_that_ends_with_its_authority_is_not_renewed_for_ever() -> None:
    due = NOW + 360 * DAY
    last = changed(Change.RENEW_LEAF, FIRST, due)

    assert step(now=due, material=last, endpoints=showing(last)) == Write(Change.ADD_NEXT)


@pytest.mark.parametrize(
    ("api_service", "endpoints", "wanted"),
    [
        pytest.param(insecure(), showing(FIRST, FIRST), Publish, id="all show it"),
        pytest.param(insecure(), showing(FIRST, STRANGE), Wait, id="one shows another"),
        pytest.param(insecure(), showing(FIRST, None), Wait, id="one does not answer"),
        pytest.param(insecure(), [], Wait, id="none is ready"),
        pytest.param(insecure(annotations={SWITCH: OFF}), showing(FIRST), Rest, id="undone"),
        pytest.param(replace(insecure(), service=OTHER), showing(FIRST), Rest, id="another's Service"),
        pytest.param(replace(insecure(), service=None), showing(FIRST), Rest, id="local"),
        pytest.param(
            insecure(annotations={"cert-manager.io/inject-ca-from": "a/b"}), showing(FIRST), Rest, id="cert-manager's"
        ),
        pytest.param(trusting(STRANGE.bundle), [], Publish, id="stale, none ready: nobody to lose"),
        pytest.param(trusting(STRANGE.bundle), showing(FIRST), Publish, id="stale, nobody believed any more"),
        pytest.param(
            trusting(STRANGE.bundle, written=b"theirs"),
            showing(FIRST, STRANGE),
            Wait,
            id="by another hand, one would be lost",
        ),
        pytest.param(trusting(b"x", written=FIRST.bundle), showing(FIRST), Publish, id="broken by hand"),
        pytest.param(
            trusting(STRANGE.bundle + FIRST.bundle, written=FIRST.bundle), showing(FIRST), Rest, id="added to by hand"
        ),
        pytest.param(
            trusting(STRANGE.bundle + FIRST.bundle), showing(FIRST), Publish, id="ours, with one that is not in use"
        ),
        pytest.param(replace(insecure(), is_insecure=False), showing(FIRST), Publish, id="host's roots"),
    ],
)
def test_kube_apiserver_verifies_once_nobody_is_lost_by_it(
    api_service: APIServiceState, endpoints: list[Presented], wanted: type[Step]
) -> None:
    found = step(api_services=[api_service], endpoints=endpoints)

    assert isinstance(found, wanted)
    if isinstance(found, Publish):
        assert (found.api_service, found.bundle) == (api_service, FIRST.bundle)


def test_one_api_service_that_cannot_be_verified_does_not_hold_up_the_other() -> None:
    v1 = replace(insecure(), name="v1.metrics.k8s.io")
    found = step(api_services=[trusting(STRANGE.bundle), v1], endpoints=showing(FIRST, FIRST))
    assert isinstance(found, Publish)

    blocked = step(api_services=[replace(insecure(), service=OTHER), v1])
    assert isinstance(blocked, Publish)
    assert blocked.api_service == v1


def test_published_means_that_whoever_verifies_us_trusts_all_authorities() -> None:
    assert is_published([], SERVICE, ANNOUNCED)
    assert is_published([insecure()], SERVICE, ANNOUNCED)
    assert is_published([trusting(ANNOUNCED.bundle)], SERVICE, PROMOTED)
    assert not is_published([trusting(ANNOUNCED.bundle), trusting(FIRST.bundle)], SERVICE, ANNOUNCED)
    assert is_published([replace(trusting(FIRST.bundle), service=OTHER)], SERVICE, ANNOUNCED)


@pytest.mark.parametrize(
    ("api_service", "said"),
    [
        (trusting(FIRST.bundle), ""),
        (insecure(), ""),
        (replace(insecure(), service=OTHER), "it belongs to Service monitoring/prometheus-adapter"),
        (replace(insecure(), service=None), "it belongs to kube-apiserver itself"),
        (insecure(annotations={SWITCH: OFF}), "was undone here"),
        (insecure(annotations={"cert-manager.io/inject-ca-from": "a/b"}), "cert-manager.io/inject-ca-from"),
        (trusting(STRANGE.bundle + FIRST.bundle, written=FIRST.bundle), "changed by another hand"),
    ],
    ids=["well", "insecure", "another's", "local", "undone", "injected", "edited"],
)
def test_what_an_operator_should_hear(api_service: APIServiceState, said: str) -> None:
    found = findings(seen(api_services=[api_service]))

    assert said in found.get(api_service.name, "")
    assert bool(found) is bool(said)


def test_the_marks_are_what_the_pages_say() -> None:
    assert (SWITCH, OFF, MANAGED, WRITTEN) == ("metrics-api/verified-tls", "off", "managed", "metrics-api/ca-bundle")


BOTH = FIRST.bundle + STRANGE.bundle


@pytest.mark.parametrize(
    ("bundle", "written", "endpoints", "published"),
    [
        pytest.param(FIRST.bundle, None, (FIRST, FIRST), BOTH, id="all show the old: both are trusted first"),
        pytest.param(BOTH, None, (FIRST, STRANGE), None, id="one shows the old: both stay"),
        pytest.param(BOTH, None, (STRANGE, STRANGE), STRANGE.bundle, id="nobody does: the new alone"),
        pytest.param(FIRST.bundle, b"ours", (FIRST, FIRST), None, id="a bundle by another hand is not added to"),
    ],
)
def test_when_the_secret_was_exchanged_for_another(
    bundle: bytes, written: bytes | None, endpoints: tuple[Material, ...], published: bytes | None
) -> None:
    found = step(
        material=STRANGE, api_services=[trusting(bundle, written=written)], endpoints=showing(*endpoints), settled=9e9
    )

    assert (found.bundle if isinstance(found, Publish) else None) == published


@pytest.mark.parametrize(
    ("api_services", "shows", "trust"),
    [
        ([], FIRST, Trust.NOTHING_TO_LOSE),
        ([insecure()], FIRST, Trust.NOTHING_TO_LOSE),
        ([trusting(FIRST.bundle)], None, Trust.NOTHING_TO_LOSE),
        ([trusting(ANNOUNCED.bundle)], STRANGE, Trust.NOTHING_TO_LOSE),
        ([trusting(FIRST.bundle)], FIRST, Trust.MISSING),
        ([trusting(BOTH), trusting(FIRST.bundle)], FIRST, Trust.MISSING),
        ([trusting(BOTH), insecure()], FIRST, Trust.GIVEN),
    ],
    ids=[
        "nobody asks",
        "nobody verifies",
        "we show nothing",
        "we are not believed",
        "not trusted",
        "not by all",
        "trusted",
    ],
)
def test_another_certificate_is_shown_only_where_no_trust_is_lost(
    api_services: list[APIServiceState], shows: Material | None, trust: Trust
) -> None:
    leaf = material.shown(STRANGE.leaf.certificate)
    now = None if shows is None else material.shown(shows.leaf.certificate)

    assert trust_in(leaf, now, api_services, SERVICE, NOW) is trust
