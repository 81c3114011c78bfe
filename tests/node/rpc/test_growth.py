"""When the watchers of a log are woken: the more they are, the less often."""

import asyncio

from fermata.node.rpc import growth as module
from fermata.node.rpc.growth import Growth


async def watch(growth, seen, ready):
    """What a stream of the server does, but for its messages."""
    size = -1
    with growth.watching():
        ready.release()
        while not growth.is_stopping:
            if growth.size > size:
                size = growth.size
                seen.append(size)
            else:
                await growth.wait_beyond(size, 0, 3600)
        seen.append(growth.size)


async def play(watchers, entries):
    """So many watchers while the log grows, and then stops; gives what each has seen."""
    growth, ready = Growth(), asyncio.Semaphore(0)
    seen = [[] for _ in range(watchers)]
    tasks = [asyncio.create_task(watch(growth, each, ready)) for each in seen]
    for _ in tasks:
        await ready.acquire()
    for size in range(1, entries + 1):
        growth.notify(size, 0)
        for _ in range(5):
            await asyncio.sleep(0)
    growth.stop()
    await asyncio.gather(*tasks)
    return seen


def test_many_watchers_get_few_messages_of_a_log_that_grows_fast_and_all_get_its_end(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_PER_WATCHER_S", 36.0)
    for seen in asyncio.run(play(100, 200)):
        assert seen == [0, 1, 200]


def test_a_watcher_without_a_pause_is_woken_at_each_entry(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_PER_WATCHER_S", 0.0)
    for seen in asyncio.run(play(3, 50)):
        assert seen == [*range(51), 50]


def test_news_that_waits_for_the_pause_comes_at_its_end_though_nothing_else_happens():
    async def main():
        growth = Growth()
        with growth.watching():
            growth.notify(1, 0)
            growth.notify(2, 1)
            assert growth.size == 1
            await growth.wait_beyond(1, 0, 60)
            assert (growth.size, growth.witnessed) == (2, 1)

    asyncio.run(main())


def test_a_stop_wakes_all_at_once_whatever_pause_there_is(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_PER_WATCHER_S", 3600.0)

    async def main():
        growth = Growth()
        with growth.watching():
            growth.notify(1, 0)
            growth.notify(2, 0)
            growth.stop()
            await growth.wait_beyond(5, 5, 3600)
            assert growth.size == 2

    asyncio.run(main())
