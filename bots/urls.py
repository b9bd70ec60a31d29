"""The addresses of the pages of bots."""

from django.urls import path, re_path

from . import backtest_views, emergency_views, market_views, prompt_views, views

TABLES = "|".join(views.TABLES)
ACTIONS = "|".join(views.ACTIONS)

urlpatterns = [
    path("", views.arena, name="arena"),
    path("leaderboard/", views.leaderboard, name="leaderboard"),
    path("markets/", market_views.markets, name="markets"),
    path("markets/<int:id>/", market_views.market, name="market"),
    path("bots/", views.bot_list, name="bots"),
    path("bots/<int:id>/", views.bot, name="bot"),
    path("bots/<int:id>/policy/", views.policy, name="policy"),
    path("bots/<int:id>/flatten/confirm/", views.confirm_flatten, name="confirm-flatten"),
    re_path(rf"^bots/(?P<id>\d{{1,18}})/(?P<action>{ACTIONS})/$", views.act, name="act"),
    re_path(rf"^bots/(?P<id>\d{{1,18}})/(?P<table>{TABLES})/$", views.records, name="records"),
    re_path(r"^bots/(?P<id>\d{1,18})/(?P<table>trades|journal)\.(?P<form>csv|json)$", views.export, name="export"),
    path("backtests/", backtest_views.index, name="backtests"),
    path("backtests/list/", backtest_views.listing, name="backtest-list"),
    path("backtests/compare/", backtest_views.compare, name="compare-backtests"),
    path("backtests/<int:pk>/", backtest_views.backtest, name="backtest"),
    path("backtests/<int:pk>/state/", backtest_views.state, name="backtest-state"),
    re_path(
        r"^backtests/(?P<pk>\d{1,18})/(?P<action>cancel|again|remove)/$", backtest_views.act, name="act-on-backtest"
    ),
    re_path(
        r"^backtests/(?P<pk>\d{1,18})/report\.(?P<form>json|csv|html)$", backtest_views.export, name="export-backtest"
    ),
    path("bots/<int:id>/prompt/", prompt_views.prompt, name="prompt"),
    path("bots/<int:id>/prompt/write/", prompt_views.write, name="write-prompt"),
    path("bots/<int:id>/prompt/adopt/", prompt_views.adopt, name="adopt-prompt"),
    path("bots/<int:id>/prompt/preview/", prompt_views.ask_preview, name="ask-preview"),
    path("prompt-previews/<int:pk>/", prompt_views.preview, name="preview"),
    path("decisions/<int:pk>/replay/", prompt_views.ask_replay, name="ask-replay"),
    path("replays/<int:pk>/", prompt_views.replay, name="replay"),
    path("accounts/flatten/confirm/", emergency_views.confirm, name="confirm-flatten-all"),
    path("accounts/flatten/", emergency_views.flatten, name="flatten-all"),
    path("accounts/<int:pk>/flatten/confirm/", emergency_views.confirm, name="confirm-flatten-account"),
    path("accounts/<int:pk>/flatten/", emergency_views.flatten, name="flatten-account"),
    path("locks/<int:pk>/lift/", views.lift, name="lift"),
    path("alerts/", views.alerts, name="alerts"),
    path("accounts/", views.accounts, name="accounts"),
    path("books/<int:pk>/", views.book, name="book"),
    path("decisions/<int:pk>/", views.decision, name="decision"),
    path("decisions/<int:pk>/inside/", views.inside, name="inside"),
    path("holds/", views.holds, name="holds"),
    path("living/<slug:name>/", views.living, name="living"),
]
