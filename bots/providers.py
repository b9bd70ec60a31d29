"""Sets up providers and their models, from presets where they are known by name. Touches nothing that is there.

What stands in the environment is the truth for a provider whose key comes from there: its address follows.
"""

from django.db import transaction

from ledger.models import User

from .deciders.language_models import presets
from .models import KeySource, LanguageModel, Provider


@transaction.atomic
def set_up(*, owner: User, name: str, base_url: str = "", model_id: str = "") -> LanguageModel | None:
    """The provider <NAME>_API_KEY speaks of and the model to ask there; None where neither names a model."""
    preset = presets.provider(name)
    address = (base_url or (preset.base_url if preset else "")).rstrip("/")
    wanted = model_id or (preset.default_model if preset else "")
    if not address or not wanted:
        return None
    provider, _ = Provider.objects.get_or_create(
        owner=owner, name=name, defaults={"base_url": address, "key_source": KeySource.ENVIRONMENT}
    )
    if base_url and provider.key_source == KeySource.ENVIRONMENT and provider.base_url != address:
        provider.base_url, provider.failures, provider.resting_until = address, 0, None
        provider.save(update_fields=["base_url", "failures", "resting_until"])
    return add_model(provider=provider, model_id=wanted)


def add_model(*, provider: Provider, model_id: str) -> LanguageModel:
    """The model of this id at a provider, made with what the presets know of it. One they do not know has no price."""
    found = provider.models.filter(model_id=model_id).order_by("pk").first()
    if found is not None:
        return found
    known = presets.model_fields(provider.name, model_id)
    return LanguageModel.objects.create(
        provider=provider, name=_free_name(provider, model_id), model_id=model_id, **known
    )


def add_presets(*, provider: Provider) -> int:
    """Every model that the presets list for a provider of this name, as far as it has none of that id yet."""
    listed = presets.model_ids(provider.name)
    before = provider.models.count()
    for model_id in listed:
        add_model(provider=provider, model_id=model_id)
    return provider.models.count() - before


def _free_name(provider: Provider, model_id: str) -> str:
    """A name that bots can use: «openai/gpt-5-mini», with a number where the owner has that one already."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._/-") else "-" for c in model_id.lower())
    name = f"{provider.name}/{plain.strip('-./_')}"[:90]
    taken = set(LanguageModel.objects.filter(provider__owner=provider.owner_id).values_list("name", flat=True))
    numbered = (f"{name}-{number}" if number > 1 else name for number in range(1, 10_000))
    return next(one for one in numbered if one not in taken)
