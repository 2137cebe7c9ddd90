from __future__ import annotations

from simplex_calls.demo.report import COUNTERS, SIDES, Account

GOOD = {
    "frames_sent": 100,
    "frames_encrypted": 101,
    "frames_decrypted": 90,
    "frames_decoded": 80,
    "audio_packets_received": 50,
}


def good_account(media: str = "video") -> Account:
    account = Account(media)
    for seconds, moment in enumerate(("called", "ringing", "accepted", "offered", "answered", "connected")):
        account.mark(moment, 1000 + seconds)
    for side in SIDES:
        account.mark(f"first_frame_{side}", 1005.5)
        account.encrypted[side] = True
        account.path[side] = "direct"
        account.count(side, GOOD)
    return account


def test_a_good_call() -> None:
    account = good_account()
    account.mark("first_frame_bob", 9999)
    account.moments["first_frame_alice"] = 1005.75
    report = account.report()
    assert report["ok"] is True
    assert report["problems"] == []
    assert report["path"] == "direct"
    assert report["encrypted"] is True
    assert report["setup_ms"] == 3750
    assert report["timeline_ms"]["called"] == 0
    assert report["timeline_ms"]["first_frame_bob"] == 5500
    assert list(report["timeline_ms"]) == [*account.moments]
    assert set(report["sides"]) == set(SIDES)
    assert set(report["sides"]["alice"]) == set(COUNTERS)


def test_nothing_seen_is_not_ok() -> None:
    report = Account("video").report()
    assert report["ok"] is False
    assert report["setup_ms"] is None
    assert report["timeline_ms"] == {}
    assert report["path"] is None
    assert len(report["problems"]) == 2


def test_each_fault_is_named() -> None:
    for change, words in (
        ({"frames_encrypted": 99}, "1 frames left in the clear"),
        ({"frames_decoded": 0}, "no decoded media"),
        ({"frames_decrypted": 0}, "no decoded media"),
        ({"audio_packets_received": 0}, "no decoded media"),
    ):
        account = good_account()
        account.count("bob", GOOD | change)
        assert [problem for problem in account.problems() if "bob" in problem and words in problem]
    account = good_account()
    account.encrypted["alice"] = False
    assert "alice: the call was not encrypted frame by frame" in account.problems()
    account = good_account()
    account.failures.append("bob: no-microphone")
    assert account.report()["ok"] is False


def test_an_audio_call_needs_no_pictures() -> None:
    account = good_account("audio")
    for side in SIDES:
        account.count(side, GOOD | {"frames_decoded": 0})
    assert account.report()["ok"] is True


def test_one_relayed_side_makes_the_call_relayed() -> None:
    account = good_account()
    account.path["bob"] = "relay"
    assert account.report()["path"] == "relay"
    account.path["bob"] = None
    assert account.report()["path"] is None
