"""Training that survives kill -9: the surviving model was trained on each sample once an epoch.

    python3 exactly_once.py localhost:50051 FOLDER

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


address, folder = sys.argv[1:]
torch.manual_seed(1)
x = torch.randn(SAMPLES, 8)
train_set = TensorDataset(x, (x[:, 0] > 0).long())
model = Model()
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

client = subset.connect(address)
client.ensure_dataset("exact", num_samples=SAMPLES)
client.ensure_sampler("exact/all", preset="uniform")
run = client.run("exactly-once", sampler="exact/all", seed=1, global_batch_size=BATCH)
loader = DataLoader(
    IndexedDataset(train_set), batch_sampler=run.leased_batch_sampler(lease_time=2), num_workers=2
)


def save(name: str, epoch: int) -> None:
    run.flush()  # 1: all that the model was trained on is acknowledged
    state = {"model": model.state_dict(), "opt": opt.state_dict(), "epoch": epoch}
    torch.save(state, f"{folder}/new")
    os.replace(f"{folder}/new", f"{folder}/{name}.pt")  # 2: the model is safe
    run.commit(name)  # 3: and now the two belong together


def resume() -> int:
    """The epoch to go on with, from the newest checkpoint that both sides have."""
    for checkpoint in reversed(run.info().checkpoints):
        path = f"{folder}/{checkpoint.checkpoint_id}.pt"
        if os.path.exists(path):
            state = torch.load(path)
            model.load_state_dict(state["model"])
            opt.load_state_dict(state["opt"])
            run.rollback(checkpoint.checkpoint_id)  # what the lost model had seen comes again
            return state["epoch"]
    save("start", 0)  # before the first step, or a crash before the next would lose samples
    return 0


step = 0
for epoch in range(resume(), EPOCHS):
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
            save(f"epoch-{epoch}-{os.getpid()}-{step}", epoch)
    save(f"epoch-{epoch}-end", epoch + 1)
    print(f"epoch {epoch}: trained on {int(model.times_seen.sum())} samples", flush=True)
times = sorted(set(model.times_seen.tolist()))
print(f"{EPOCHS} epochs; every sample was seen {times} times")
client.close()
