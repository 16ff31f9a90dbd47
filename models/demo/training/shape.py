"""The numbers of the model, for training and export."""

SHAPE = dict(width=128, layers=6, heads=8, kv_heads=4, head=16, ffn=384, vocab=1536,
             context=512, epsilon=1e-5, rope_base=10000.0)
