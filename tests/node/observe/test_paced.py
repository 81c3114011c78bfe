from fermata.node.observe.paced import paced


def test_a_paced_observer_looks_again_only_when_its_time_is_up_or_the_clock_was_set_back():
    now_ms, looks = [5_000], []
    look = paced(lambda: looks.append(now_ms[0]), lambda: now_ms[0], 1000)
    for now_ms[0] in (5_000, 5_999, 6_000, 6_001, 7_500, 7_499, 8_498, 8_499):
        look()
    assert looks == [5_000, 6_000, 7_500, 7_499, 8_499]
