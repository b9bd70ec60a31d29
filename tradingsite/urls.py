"""Every address of the site: pages of bots and ledger at the root, the API under `/api/`, admin and health.

It only assembles; what stands behind an address is decided by its app.
"""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from tradingsite import health

admin.autodiscover()  # not before: commands and workers need no page of it

urlpatterns = [
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("tradingsite.api")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("", include("bots.urls")),
    path("", include("ledger.urls")),
]
