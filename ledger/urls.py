"""The addresses of signing in and of the system's trading state."""

from django.urls import path, re_path

from . import views

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-in/<str:uidb64>/<str:token>/", views.sign_in_link, name="sign-in-link"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    re_path(r"^trading-state/(?P<state>active|reduce_only|halted)/$", views.confirm_state, name="confirm-state"),
    path("trading-state/", views.change_state, name="change-state"),
]
