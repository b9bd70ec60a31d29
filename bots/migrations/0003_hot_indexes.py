from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bots', '0002_initial'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='cycle',
            name='cycle_pending',
        ),
        migrations.AddIndex(
            model_name='cycle',
            index=models.Index(condition=models.Q(('ended_at__isnull', True)), fields=['bot', 'slot'], name='cycle_pending'),
        ),
        migrations.AddIndex(
            model_name='decision',
            index=models.Index(fields=['bot', '-at', '-id'], name='decision_by_time'),
        ),
        migrations.AddIndex(
            model_name='decision',
            index=models.Index(condition=models.Q(('acted', True), ('refused', True), _connector='OR'), fields=['bot', '-at', '-id'], name='decision_that_spoke'),
        ),
    ]
