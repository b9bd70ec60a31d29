"""The routes of the API: the one list of its resources, each of which lives in the `api` module of its app.

Adding a resource is one import and one line in `RESOURCES`; nothing else is decided here.
"""

from __future__ import annotations

from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSetMixin

from bots import api as bots
from ledger import api as ledger
from tradingsite.status import StatusViewSet

# Prefix and viewset, in the order of the documentation.
RESOURCES: tuple[tuple[str, type[ViewSetMixin]], ...] = (
    ("status", StatusViewSet),
    ("diary", bots.DiaryViewSet),
    ("bots", bots.BotViewSet),
    ("accounts", bots.AccountViewSet),
    ("books", ledger.BookViewSet),
    ("instruments", ledger.InstrumentViewSet),
    ("candles", ledger.CandleViewSet),
    ("orders", bots.OrderViewSet),
    ("trades", bots.TradeViewSet),
    ("positions", bots.PositionViewSet),
    ("decisions", bots.DecisionViewSet),
    ("performance", bots.PerformanceViewSet),
    ("leaderboard", bots.LeaderboardViewSet),
    ("alerts", ledger.AlertViewSet),
    ("providers", bots.ProviderViewSet),
    ("risk-policies", bots.RiskPolicyViewSet),
)

router = SimpleRouter()
for prefix, viewset in RESOURCES:
    router.register(prefix, viewset, basename=prefix)

app_name = "api"
urlpatterns = router.urls
