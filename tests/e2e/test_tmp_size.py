def test_x(finished):
    import collections
    c=collections.Counter(); n=collections.Counter()
    for w,p in finished.pieces.items():
        k='wal' if '-wal' in w else 'reserve' if 'reserve' in w else 'store' if 'store.db' in w else w.split(' ')[0].split('/')[0]
        c[k]+=len(p); n[k]+=1
    print(c,n)
    assert 0
