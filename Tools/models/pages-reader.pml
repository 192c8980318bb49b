/* The readers of pages.pml: Topics/Shard+Attach.swift (`beginAt`, `attached`, `place`),
 * Topics/Shard+Patterns.swift (`matchTopic`, `loseInterest`, `letGo`), Delivery/Shard+FanOut.swift
 * (`moveTail`, `floorRose`, `leavePages`, `normalize`, `updateHold`) and Shard+Transmit.swift.
 *
 * A turn is either what came in, in the order of `handleInbound`, or one thing that a peer wants;
 * it ends with the hold. From any moment on a reader may be asked for nothing more (`resting`): its
 * subscriptions stay where they are, as those of a peer that takes nothing.
 */
#define requests (request[0] == asked || request[READERS * SUBS - 1] == asked \
  || unpinBit[0] || unpinBit[READERS * SUBS - 1])
#define inbound(r) (tailBit[r] || floorBit[r] || request[r * SUBS] == answered \
  || request[r * SUBS + SUBS - 1] == answered)

inline forget(place) { place.page = 0; place.off = 0; place.seq = 0 }

inline normalize(r, s) {
  if
  :: cursor[s].seq == seen[r].seq -> copy(seen[r], cursor[s])
  :: else ->
     if
     :: cursor[s].page == 0 -> cursor[s].page = firstPage; cursor[s].off = 0
     :: else
     fi;
     if
     :: cursor[s].page != seen[r].page && cursor[s].off == used[cursor[s].page] ->
        cursor[s].page = next[cursor[s].page]; cursor[s].off = 0
     :: else
     fi;
     assert(first[cursor[s].page] != 0)
  fi
}

inline setHold(r, value) {
  holdWaits[r] = holdWaits[r] || holdOut[r] != value;
  holdOut[r] = value
}

inline updateHold(r) {
  atomic {
    if
    :: interested[r] ->
       low = (seen[r].page == 0 || FAULT == 4 -> seen[r].seq : seen[r].seq - 1);
       for (s : r * SUBS .. r * SUBS + SUBS - 1) {
         if
         :: state[s] == LAGGING ->
            normalize(r, s);
            low = (cursor[s].seq < low -> cursor[s].seq : low)
         :: else
         fi
       }
       setHold(r, low)
    :: else
    fi;
    low = 0; s = 0
  }
}

inline moveTail(r) {             /* to the tail as it is in memory now */
  atomic {
    if
    :: interested[r] && tail.seq > seen[r].seq ->
       for (s : r * SUBS .. r * SUBS + SUBS - 1) {
         if
         :: state[s] == ATTAIL -> state[s] = LAGGING; copy(seen[r], cursor[s])
         :: else
         fi
       }
       copy(tail, seen[r])
    :: interested[r] && tail.seq == seen[r].seq -> copy(tail, seen[r])    /* its page is given up */
    :: else
    fi;
    s = 0
  }
}

inline unpinning(r, n) { atomic { !holdWaits[r] -> unpinBit[n] = true } }

inline attached(r, n) {
  if
  :: FAULT == 1 -> unpinning(r, n)
  :: FAULT != 1
  fi;
  if
  :: state[n] == ATTACHING ->
     if
     :: interested[r] -> moveTail(r)
     :: else ->
        atomic { !holdWaits[r] -> interest[r] = interest[r] || FAULT != 8 }
        atomic { copy(tail, seen[r]); interested[r] = true }
     fi;
     atomic {                                            /* place */
       assert(answer[n].seq <= seen[r].seq);
       if
       :: answer[n].seq < seen[r].seq -> state[n] = LAGGING; copy(answer[n], cursor[n])
       :: else -> state[n] = ATTAIL
       fi
     }
     updateHold(r)
  :: else ->                                             /* nobody waits for it any more */
     if
     :: !interested[r] -> atomic { !holdWaits[r] -> interest[r] = false }
     :: else
     fi
  fi;
  if
  :: FAULT != 1 -> unpinning(r, n)
  :: FAULT == 1
  fi;
  atomic { request[n] = idle; fromStart[n] = false; forget(answer[n]) }
}

inline leavePages(r) {
  low = floor;                                           /* read before the tail */
  moveTail(r);
  atomic {
    for (s : r * SUBS .. r * SUBS + SUBS - 1) {
      if
      :: interested[r] && state[s] == LAGGING && cursor[s].seq < low && low == seen[r].seq ->
         state[s] = ATTAIL; forget(cursor[s])
      :: interested[r] && state[s] == LAGGING && cursor[s].seq < low && low != seen[r].seq ->
         cursor[s].page = (cursor[s].page == 0 -> firstPage : cursor[s].page);
         do                                              /* pageStart */
         :: first[cursor[s].page] < low ->
            assert(first[cursor[s].page] != 0 && cursor[s].page != seen[r].page);
            cursor[s].page = next[cursor[s].page]
         :: else -> break
         od;
         cursor[s].off = 0; cursor[s].seq = first[cursor[s].page]
      :: else
      fi
    }
    updateHold(r)
  }
}

inline want(r, n) {              /* what a peer may want of one subscription */
  if
  :: atomic { state[n] == NONE && request[n] == idle && pin[n] == 0 && begins > 0 ->
       begins--;                                         /* beginAt */
       if
       :: interested[r] -> moveTail(r); state[n] = ATTAIL       /* from the end on */
       :: state[n] = ATTACHING; fromStart[n] = true
       :: !interested[r] -> state[n] = ATTACHING
       fi;
       updateHold(r)
     }
     if
     :: atomic { state[n] == ATTACHING && !holdWaits[r] -> request[n] = asked }
     :: else
     fi
  :: atomic { state[n] != NONE && !holdWaits[r] ->       /* endSubscription */
       state[n] = NONE; forget(cursor[n]);
       if
       :: interested[r] && state[r * SUBS] == NONE && state[r * SUBS + SUBS - 1] == NONE ->
          interested[r] = false; interest[r] = false;    /* loseInterest, letGo */
          forget(seen[r]); setHold(r, FAR)
       :: else
       fi;
       updateHold(r)
     }
  :: atomic { state[n] == LAGGING ->                     /* a DELIVER: planned, ... */
       normalize(r, n);
       page = cursor[n].page; off = cursor[n].off; seq = cursor[n].seq;
       assert(seq < seen[r].seq);
       cursor[n].off++; cursor[n].seq++;
       if
       :: cursor[n].seq == seen[r].seq -> state[n] = ATTAIL; forget(cursor[n])
       :: else
       fi;
       if
       :: FAULT == 3 -> updateHold(r)
       :: else
       fi
     }
     atomic {                                            /* ... and written */
       assert(first[page] + off == seq && off < used[page]);
       page = 0; off = 0; seq = 0;
       updateHold(r)
     }
  :: else
  fi
}

active [READERS] proctype reader() {
  byte r = _pid, s, low, begins = (_pid == 0 -> BEGINS : 0), page, off, seq;
  bool resting;
  if                                                    /* matchTopic: a pattern matches, or none */
  :: atomic { interest[r] = true; interested[r] = true; seen[r].seq = 1; state[r * SUBS] = ATTAIL }
     atomic { moveTail(r); updateHold(r) }
  :: atomic { setHold(r, FAR) }
  fi;
end:
  do
  :: inbound(r) ->
     if
     :: request[r * SUBS] == answered -> attached(r, r * SUBS)
     :: else
     fi;
     if
     :: request[r * SUBS + SUBS - 1] == answered -> attached(r, r * SUBS + SUBS - 1)
     :: else
     fi;
     if
     :: atomic { tailBit[r] -> tailBit[r] = false }
        atomic { moveTail(r); updateHold(r) }
     :: else
     fi;
     if
     :: atomic { floorBit[r] -> floorBit[r] = false }
        leavePages(r)
     :: else
     fi
  :: !inbound(r) && !resting -> want(r, r * SUBS)
  :: !inbound(r) && !resting && SUBS > 1 -> want(r, r * SUBS + SUBS - 1)
#ifdef LIVENESS
  :: !resting -> resting = true
#endif
  od
}

/* Liveness, with weak fairness: everything is appended, though pages run out and readers stall; and
 * every reader that is interested sees the end. */
#define sees(r) (!interested[r] || seen[r].seq == nextSeq)
#ifdef LIVENESS
ltl settled { <> [] (nextSeq > EVENTS && sees(0) && sees(READERS - 1)) }
#endif
