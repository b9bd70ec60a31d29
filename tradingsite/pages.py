"""How lists of the API are cut into pages: `results`, `next`, `previous`, newest first.

It stands apart from `api`, because the framework loads it while the resources of the apps are still loading.
"""

from rest_framework.pagination import CursorPagination


class Pages(CursorPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    ordering = "-id"
