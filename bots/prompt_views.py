"""The page of a bot's prompt: edit, preview, compare, adopt; and replays asked for on the page of a decision.

What takes indicators is asked for by a row that a worker fills; the page looks again each second until it has.
"""

from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from ledger.sign_in import Request

from . import fragments, previews, replaying, sparing, wordings
from .domain.prompt import tokens_at_most
from .forms import PreviewForm, ReplayForm, VersionForm
from .models import Decision, Prompt, PromptPreview, PromptVersion, Replay
from .views import reading


def chosen(request: Request, name: str) -> PromptVersion | None:
    """The version that a query names; None where it names none. Raises Http404 for another user's."""
    wanted = request.GET.get(name, "")
    return get_object_or_404(wordings.versions_of(request.user), pk=fragments.number(wanted)) if wanted else None


@reading
def prompt(request: Request, id: int) -> HttpResponse:
    """The wording a bot's model gets, with the versions there are and what differs between two of them."""
    bot = fragments.owned_bot(request.user, str(id))
    feed, edited = fragments.feed_behind(bot), chosen(request, "version") or bot.prompt_version
    before, after = chosen(request, "before"), chosen(request, "after")
    values = fragments.around(request.user, feed, datetime.now(UTC)) | {
        "page": "frame", "query": f"feed={feed.pk}", "bot": bot, "edited": edited, "text": wordings.text_of(edited),
        "versions": wordings.versions_of(request.user), "names": Prompt.objects.of(request.user),
        "before": before, "after": after, "spared": sparing.spared(bot),
    }  # fmt: skip
    if before or after:
        values["lines"] = wordings.between(before, after)
    return render(request, "bots/prompt.html", values)


@login_required
@require_POST
def write(request: Request, id: int) -> HttpResponse:
    """A new version, which the bot's model gets from its next cycle on."""
    bot, form = fragments.owned_bot(request.user, str(id)), VersionForm(request.POST)
    try:
        if not form.is_valid():
            raise wordings.Unfit(" ".join(str(error) for errors in form.errors.values() for error in errors))
        version = wordings.write(owner=request.user, **form.cleaned_data)
        wordings.adopt(bot=bot, version=version)
        messages.success(request, f"{bot.name} is asked with {version} from its next cycle on.")
    except wordings.Unfit as refusal:
        messages.warning(request, str(refusal))
    return redirect("prompt", id=bot.pk)


@login_required
@require_POST
def adopt(request: Request, id: int) -> HttpResponse:
    """Another version for a bot, or the wording that ships."""
    bot, wanted = fragments.owned_bot(request.user, str(id)), request.POST.get("version", "")
    version = get_object_or_404(wordings.versions_of(request.user), pk=fragments.number(wanted)) if wanted else None
    wordings.adopt(bot=bot, version=version)
    messages.success(request, f"{bot.name} is asked with {version or 'the wording that ships'} from its next cycle on.")
    return redirect("prompt", id=bot.pk)


@login_required
@require_POST
def ask_preview(request: Request, id: int) -> HttpResponse:
    """Ask a worker to render a wording with the bot's market of now."""
    bot, form = fragments.owned_bot(request.user, str(id)), PreviewForm(request.POST)
    if not form.is_valid():
        return render(request, "bots/_preview.html", {"problem": str(form.errors["text"][0])})
    try:
        made = previews.ask(bot=bot, text=wordings.cleaned(form.cleaned_data["text"]))
    except wordings.Unfit as refusal:
        return render(request, "bots/_preview.html", {"problem": str(refusal)})
    return render(request, "bots/_preview.html", {"preview": made})


@reading
def preview(request: Request, pk: int) -> HttpResponse:
    """What a worker has rendered, or that it has not yet."""
    found = get_object_or_404(PromptPreview.objects.of(request.user), pk=pk)
    tokens = tokens_at_most(found.system) + tokens_at_most(found.user)
    size = {"characters": len(found.system) + len(found.user), "tokens": tokens}
    return render(request, "bots/_preview.html", {"preview": found, **size})


@login_required
@require_POST
def ask_replay(request: Request, pk: int) -> HttpResponse:
    """Ask a worker to replay a decision with what the form changes."""
    found = get_object_or_404(Decision.objects.of(request.user), pk=pk)
    form = ReplayForm(
        request.POST, versions=wordings.versions_of(request.user), models=replaying.models_of(request.user)
    )
    if not form.is_valid():
        return render(request, "bots/_replay.html", {"problem": "Choose from what is offered."})
    made = Replay.objects.create(decision=found, asked_by=request.user, **form.cleaned_data)
    return render(request, "bots/_replay.html", {"replay": made})


@reading
def replay(request: Request, pk: int) -> HttpResponse:
    """What a worker has found, or that it has not yet."""
    return render(request, "bots/_replay.html", {"replay": get_object_or_404(Replay.objects.of(request.user), pk=pk)})
