from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='tradingstate',
            name='market_at',
            field=models.DateTimeField(blank=True, help_text='Market time of the change, on the feed of its scope.', null=True),
        ),
    ]
