import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('markets', '0002_candle_hypertable'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='paperorder',
            name='paper_order_live',
        ),
        migrations.AlterField(
            model_name='paperorder',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='orders', to='markets.paperaccount'),
        ),
        migrations.AlterField(
            model_name='paperreport',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='reports', to='markets.paperaccount'),
        ),
        migrations.AddIndex(
            model_name='paperorder',
            index=models.Index(condition=models.Q(('live', True)), fields=['account', 'instrument'], name='paper_order_live'),
        ),
    ]
