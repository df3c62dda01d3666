"""A small network in PyTorch, as tutorials write it: no checkpoints, a line for each epoch. Needs PyTorch."""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
parser.add_argument("--momentum", type=float, default=0.0)
parser.add_argument("--epochs", type=int, default=9)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

torch.manual_seed(0)
x = torch.randn(1200, 10)
y = (x[:, :5].prod(1) + x[:, 5:].sum(1) > 0).float()
torch.manual_seed(options.seed)
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1))
loss_of = nn.BCEWithLogitsLoss()
if options.optimizer == "sgd":
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=options.momentum)
else:
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)

for epoch in range(options.epochs):
    model.train()
    for batch in torch.randperm(1000).split(options.batch_size):
        optimizer.zero_grad()
        loss = loss_of(model(x[batch]).squeeze(1), y[batch])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(x[1000:]).squeeze(1)
    val_loss = loss_of(logits, y[1000:]).item()
    accuracy = ((logits > 0) == (y[1000:] > 0.5)).float().mean().item()
    print(f"Epoch {epoch}/{options.epochs} - loss: {loss.item():.4f} - val_loss: {val_loss:.4f} - val_acc: {accuracy:.4f}")
