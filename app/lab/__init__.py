"""The lab at work: experiments of `recurrent.lab` run in folders of this home, and shown."""
