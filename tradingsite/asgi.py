"""The door for pages and sockets.

Browsers always name the site a socket comes from, so a foreign one is refused here; scripts name none and
have to show who they are to the consumer.
"""

import os
from urllib.parse import ParseResult

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
pages = get_asgi_application()

# Consumers import models, which exist only once Django is set up.
from django.conf import settings  # noqa: E402

from bots.consumers import websocket_urlpatterns  # noqa: E402


class OwnPagesOrScripts(OriginValidator):
    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        return parsed_origin is None or bool(self.validate_origin(parsed_origin))


sockets = OwnPagesOrScripts(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), settings.ALLOWED_HOSTS)
application = ProtocolTypeRouter({"http": pages, "websocket": sockets})
