"""The engine on a Ray cluster: this process takes windows in and gives answers out, replicas elsewhere do the work.

`parcel` is what crosses, `replicas` do the work, `application` says how Ray Serve runs them, `node` brings a cluster
up and down, `front` asks, through `handles`. Only `application`, `node` and `handles` know Ray; nothing imports them
unless it is asked for.
"""
