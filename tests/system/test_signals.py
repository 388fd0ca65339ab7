import asyncio

from nextlabel.server.system.signals import Signals

MUCH_TOO_LONG_S = 3600.0


async def test_news_that_comes_while_nobody_waits_is_not_missed():
    signals = Signals()
    async with asyncio.timeout(30):
        with signals.listening("here") as news, signals.listening("here") as others_news:
            for _ in range(2):
                signals.notify("here")
                await news.wait(MUCH_TOO_LONG_S)
            await others_news.wait(MUCH_TOO_LONG_S)


async def test_who_is_cancelled_as_news_comes_ends():
    signals = Signals()
    with signals.listening("here") as news:
        waiting = asyncio.create_task(news.wait(MUCH_TOO_LONG_S))
        await asyncio.sleep(0)
        signals.notify("here")
        waiting.cancel()
        await asyncio.wait([waiting], timeout=30)
        assert waiting.cancelled()


async def test_who_waits_is_woken_by_its_topic_alone():
    signals = Signals()
    with signals.listening("here") as news:
        waiting = asyncio.create_task(news.wait(MUCH_TOO_LONG_S))
        await asyncio.sleep(0)
        signals.notify("elsewhere")
        await asyncio.sleep(0)
        assert not waiting.done()
        signals.notify("here")
        async with asyncio.timeout(30):
            await waiting
        await news.wait(0)
