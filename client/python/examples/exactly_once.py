"""Training that survives kill -9: the surviving model was trained on each sample once an epoch.

    python3 exactly_once.py localhost:50051 FOLDER leased      # or assigned

Kill it whenever you like and start it again with the same arguments: it goes on from its newest
checkpoint. The data is synthetic; the model counts what it was trained on, to show it.
"""

import os
import sys

import subset
import torch
import torch.nn.functional as F
from subset.torch import DataLoader, IndexedDataset
from torch.utils.data import TensorDataset

EPOCHS, SAMPLES, BATCH, BATCHES_PER_CHECKPOINT = 3, 400, 16, 7


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 2)
        self.register_buffer("times_seen", torch.zeros(SAMPLES, dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


address, folder, delivery = sys.argv[1:]
torch.manual_seed(1)
x = torch.randn(SAMPLES, 8)
train_set = TensorDataset(x, (x[:, 0] > 0).long())
model = Model()
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

client = subset.connect(address)
client.ensure_dataset("exact", num_samples=SAMPLES)
client.ensure_sampler("exact/all", preset="uniform")
run = client.run(f"exactly-{delivery}", sampler="exact/all", seed=1, global_batch_size=BATCH)
batches = run.batch_sampler() if delivery == "assigned" else run.leased_batch_sampler()
loader = DataLoader(IndexedDataset(train_set), batch_sampler=batches, num_workers=2)


def save(name: str) -> None:
    run.flush()  # 1: all that the model was trained on is acknowledged
    place = loader.state_dict()
    state = {"model": model.state_dict(), "opt": opt.state_dict(), "place": place}
    torch.save(state, f"{folder}/new")
    os.replace(f"{folder}/new", f"{folder}/{name}.pt")  # 2: the model is safe
    run.commit(name)  # 3: and now the two belong together


def resume() -> None:
    """Goes back to the newest checkpoint that both sides have."""
    for checkpoint in reversed(run.info().checkpoints):
        path = f"{folder}/{checkpoint.checkpoint_id}.pt"
        if os.path.exists(path):
            state = torch.load(path)
            model.load_state_dict(state["model"])
            opt.load_state_dict(state["opt"])
            loader.load_state_dict(state["place"])
            run.rollback(checkpoint.checkpoint_id)  # what the lost model had seen comes again
            return
    save("start")  # before the first step, or a crash before the next would lose samples


resume()
step = 0
for epoch in range(batches.epoch, EPOCHS):
    loader.set_epoch(epoch)
    for (x, y), draw in loader:
        loss = F.cross_entropy(model(x), y, reduction="none")
        opt.zero_grad()
        draw.mean(loss).backward()
        opt.step()
        model.times_seen[draw.indices64] += 1
        run.report(draw, loss=loss)
        step += 1
        if step % BATCHES_PER_CHECKPOINT == 0:
            save(f"epoch-{epoch}-{os.getpid()}-{step}")
    save(f"epoch-{epoch}-end")
    print(f"epoch {epoch}: trained on {int(model.times_seen.sum())} samples", flush=True)
times = sorted(set(model.times_seen.tolist()))
print(f"{EPOCHS} epochs; every sample was seen {times} times")
client.close()
