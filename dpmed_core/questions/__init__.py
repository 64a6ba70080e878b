"""Questions to stored models that go ahead of training: asking, waiting, answering; torch only where they are answered."""
