"""accelerate and the transformers Trainer on two ranks: each sample once an epoch, none wasted."""

from __future__ import annotations

import pathlib
from typing import Any, List

import subset
from ranks import on_two_ranks

SAMPLES, SIZE = 103, 10
STEPS = 11

COMMON = """
    import subset, torch
    import torch.nn.functional as F
    from subset.torch import Collate, IndexedDataset

    class Points(torch.utils.data.Dataset):
        def __len__(self): return 103
        def __getitem__(self, index): return torch.full((4,), float(index)), index % 2

    run = subset.connect(sys.argv[2]).run(sys.argv[3], sampler=sys.argv[3] + "/s", seed=3)
"""

ACCELERATE = (
    COMMON
    + """
    import subset.accelerate
    from accelerate import Accelerator

    def make():
        accelerator = Accelerator(cpu=True, gradient_accumulation_steps=4)
        model = torch.nn.Linear(4, 2)
        model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=1e-6))
        loader = subset.accelerate.DataLoader(
            accelerator, IndexedDataset(Points()), batch_sampler=run.batch_sampler(), num_workers=2)
        accelerator.register_for_checkpointing(loader.batch_sampler)
        return accelerator, model, optimizer, loader

    def train(accelerator, model, optimizer, loader, stop=None):
        for (x, y), draw in loader:
            with accelerator.accumulate(model):
                loss = F.cross_entropy(model(x), y, reduction="none")
                accelerator.backward(draw.mean(loss))
                optimizer.step()
                optimizer.zero_grad()
            kept = len(draw) - draw.padding
            assert x[:, 0].tolist() == draw.indices.tolist()
            say(draw.epoch, draw.step, accelerator.sync_gradients, draw.indices[:kept].tolist())
            run.report(draw, loss=loss)
            if draw.step == stop:
                accelerator.save_state(sys.argv[1] + "/checkpoint")
                break

    parts = make()
    train(*parts)
    train(*parts)
    train(*parts, stop=6)
    parts = make()
    parts[0].load_state(sys.argv[1] + "/checkpoint")
    train(*parts)
    run.flush()
"""
)

TRAINER = (
    COMMON
    + """
    import subset.accelerate
    from transformers import Trainer, TrainingArguments, TrainerCallback

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)
        def forward(self, x): return self.layer(x)

    def inputs(samples):
        x, y = zip(*samples)
        return {"x": torch.stack(x), "y": torch.tensor(y)}

    def with_draw(items):
        batch, draw = Collate(inputs)(items)
        return {**batch, "draw": draw}

    class OurTrainer(Trainer):
        def get_train_dataloader(self):
            return subset.accelerate.DataLoader(
                self.accelerator, IndexedDataset(self.train_dataset),
                batch_sampler=run.batch_sampler(), collate_fn=with_draw, num_workers=2)
        def compute_loss(self, model, inputs, return_outputs=False):
            draw = inputs["draw"]
            loss = F.cross_entropy(model(inputs["x"]), inputs["y"], reduction="none")
            kept = len(draw) - draw.padding
            say(draw.epoch, draw.step, self.state.global_step, draw.indices[:kept].tolist())
            run.report(draw, loss=loss)
            return draw.mean(loss)

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.global_step == 15

    def trainer(*callbacks):
        return OurTrainer(
            model=Net(), train_dataset=Points(), callbacks=[*callbacks],
            args=TrainingArguments(
                output_dir=sys.argv[1] + "/trainer", use_cpu=True, num_train_epochs=3, report_to=[],
                # Not the optimizer: PyTorch 1.13 cannot load it to the device "cpu:0".
                save_steps=15, save_safetensors=False, save_only_model=True, disable_tqdm=True, logging_steps=100))

    trainer(Stop()).train()
    trainer().train(resume_from_checkpoint=True)
    run.flush()
"""
)

PREPARED = (
    COMMON
    + """
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration

    for even in (True, False):
        accelerator = Accelerator(
            cpu=True, dataloader_config=DataLoaderConfiguration(even_batches=even))
        try:
            accelerator.prepare(torch.utils.data.DataLoader(
                IndexedDataset(Points()), batch_sampler=run.batch_sampler()))
        except ValueError as error:
            say(str(error))
"""
)

LEASED = (
    COMMON
    + """
    import subset.accelerate
    from accelerate import Accelerator

    try:
        subset.accelerate.DataLoader(
            Accelerator(cpu=True), IndexedDataset(Points()), batch_sampler=run.leased_batch_sampler())
    except ValueError as error:
        say(str(error))
"""
)


def make_run(client: subset.Client, name: str) -> None:
    client.ensure_dataset(name, num_samples=SAMPLES)
    client.ensure_sampler(f"{name}/s", preset="uniform")
    client.run(name, sampler=f"{name}/s", seed=3, global_batch_size=SIZE)


def check_epoch(ranks: List[List[Any]], epoch: int) -> None:
    """Both ranks took the same steps, and each sample once."""
    mine = [[line for line in lines if line[0] == epoch] for lines in ranks]
    for lines in mine:
        assert [line[1] for line in lines] == list(range(STEPS))
    trained = sorted(index for lines in mine for line in lines for index in line[3])
    assert trained == list(range(SAMPLES))


def test_accelerate_trains_on_each_sample_once_and_resumes(
    client: subset.Client, name: str, tmp_path: pathlib.Path
) -> None:
    make_run(client, name)
    ranks = on_two_ranks(tmp_path, ACCELERATE, client.address, name)
    for epoch in range(3):  # the third in two parts: broken off after step 6, resumed
        check_epoch(ranks, epoch)
    for lines in ranks:
        # Gradients meet every fourth step, and at the end of an epoch.
        assert [line[2] for line in lines if line[0] == 0] == [
            step % 4 == 3 or step == STEPS - 1 for step in range(STEPS)
        ]
    assert [e.acknowledged_positions for e in client.describe_run(name).epochs] == [SAMPLES] * 3


def test_the_trainer_trains_on_each_sample_once_and_resumes(
    client: subset.Client, name: str, tmp_path: pathlib.Path
) -> None:
    make_run(client, name)
    ranks = on_two_ranks(tmp_path, TRAINER, client.address, name)
    for epoch in range(3):  # the second in two parts: stopped after 15 steps, resumed
        check_epoch(ranks, epoch)
    for lines in ranks:
        assert [line[2] for line in lines] == list(range(3 * STEPS))
    assert [e.acknowledged_positions for e in client.describe_run(name).epochs] == [SAMPLES] * 3


def test_preparing_a_loader_is_refused_where_it_would_share_out_twice(
    client: subset.Client, name: str, tmp_path: pathlib.Path
) -> None:
    make_run(client, name)
    for lines in on_two_ranks(tmp_path, PREPARED, client.address, name):
        assert len(lines) == 2
        assert all("shared out among the ranks already" in line[0] for line in lines)


def test_leased_batches_are_refused_since_ranks_would_not_step_together(
    client: subset.Client, name: str, tmp_path: pathlib.Path
) -> None:
    make_run(client, name)
    for lines in on_two_ranks(tmp_path, LEASED, client.address, name):
        ((message,),) = lines
        assert "accelerate's must have the same number" in message
