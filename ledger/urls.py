"""The addresses of signing in and of the system's trading state."""

from django.urls import path, re_path

from . import account_views, views

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-in/<str:uidb64>/<str:token>/", views.sign_in_link, name="sign-in-link"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    re_path(r"^trading-state/(?P<state>active|reduce_only|halted)/$", views.confirm_state, name="confirm-state"),
    path("trading-state/", views.change_state, name="change-state"),
    path("accounts/live/new/", account_views.confirm_new, name="confirm-new-live"),
    path("accounts/live/", account_views.new, name="new-live"),
    path("accounts/<int:pk>/compare/", account_views.compare, name="compare"),
    path("accounts/<int:pk>/key/new/", account_views.confirm_key, name="confirm-key"),
    path("accounts/<int:pk>/key/", account_views.set_key, name="set-key"),
    path("accounts/<int:pk>/arm/confirm/", account_views.confirm_arm, name="confirm-arm"),
    path("accounts/<int:pk>/arm/", account_views.arm, name="arm"),
    path("accounts/<int:pk>/resume/", account_views.resume, name="resume-account"),
    path("positions/<int:pk>/adopt/confirm/", account_views.confirm_adopt, name="confirm-adopt"),
    path("positions/<int:pk>/adopt/", account_views.adopt, name="adopt"),
    path("differences/<int:pk>/adopt/", account_views.adopt_order, name="adopt-order"),
    path("differences/<int:pk>/accept/", account_views.accept, name="accept"),
]
