"""Training on the batches a server chooses, with importance-corrected losses reported back.

    python3 quickstart.py localhost:50051

The data is synthetic (two classes of points, one rare and hard); the loop is the one to copy.
"""

import sys

import subset
import torch
import torch.nn.functional as F
from subset.torch import IndexedDataset
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 4

torch.manual_seed(1)
x = torch.randn(4_000, 8)
targets = (x[:, 0] * x[:, 1] > 0.8).long()
train_set = TensorDataset(x, targets)
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

client = subset.connect(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
client.ensure_dataset("points", label=targets)
client.ensure_sampler("points/prune", preset="infobatch", total_epochs=EPOCHS)
run = client.run("quickstart", sampler="points/prune", seed=1)

batches = run.batch_sampler(global_batch_size=64)  # data-parallel rank and world size detected
loader = DataLoader(IndexedDataset(train_set), batch_sampler=batches, num_workers=2)
for epoch in range(batches.epoch, EPOCHS):
    batches.set_epoch(epoch)
    for (x, y), draw in loader:  # draw: indices, weights; survives collate and pinning
        loss = F.cross_entropy(model(x), y, reduction="none")
        opt.zero_grad()
        draw.mean(loss).backward()  # importance weights, right under DDP and accumulation
        opt.step()
        run.report(draw, loss=loss)  # never blocks
    run.flush(durable=True)
    print(f"epoch {epoch}: {len(batches)} batches, mean loss of the last {loss.mean():.3f}")
client.close()
