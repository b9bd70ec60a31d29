import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0002_state_market_time'),
        ('markets', '0003_hot_indexes'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='order',
            name='order_live',
        ),
        migrations.RemoveIndex(
            model_name='position',
            name='position_of_book',
        ),
        migrations.AlterField(
            model_name='cashentry',
            name='book',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='ledger.book'),
        ),
        migrations.AlterField(
            model_name='cashentry',
            name='trade',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='ledger.trade'),
        ),
        migrations.AlterField(
            model_name='intent',
            name='book',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='intents', to='ledger.book'),
        ),
        migrations.AlterField(
            model_name='order',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='orders', to='ledger.account'),
        ),
        migrations.AlterField(
            model_name='order',
            name='book',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='orders', to='ledger.book'),
        ),
        migrations.AlterField(
            model_name='position',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='positions', to='ledger.account'),
        ),
        migrations.AlterField(
            model_name='position',
            name='book',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='positions', to='ledger.book'),
        ),
        migrations.AlterField(
            model_name='trade',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='trades', to='ledger.account'),
        ),
        migrations.AlterField(
            model_name='trade',
            name='book',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='trades', to='ledger.book'),
        ),
        migrations.AddIndex(
            model_name='cashentry',
            index=models.Index(condition=models.Q(('trade__isnull', True)), fields=['book', '-at', '-id'], name='cash_without_trade'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('closed_at__isnull', True)), fields=['account', 'state'], name='order_live'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('closed_at__isnull', True)), fields=['book', 'state', '-at', '-id'], name='order_live_of_book'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['book', '-at', '-id'], name='order_by_time'),
        ),
        migrations.AddIndex(
            model_name='position',
            index=models.Index(condition=models.Q(('closed_at__isnull', True)), fields=['account', 'state'], name='position_current'),
        ),
        migrations.AddIndex(
            model_name='position',
            index=models.Index(condition=models.Q(('closed_at__isnull', True)), fields=['book', 'state', '-id'], name='position_current_of_book'),
        ),
        migrations.AddIndex(
            model_name='position',
            index=models.Index(fields=['book', '-id'], name='position_of_book'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['book', '-at', '-id'], name='trade_by_time'),
        ),
    ]
