/* Words that are read whole without a lock: three of one kind.
 *
 *   KIND 0: a topic's tail, in two slots      Sources/BrokerCore/Topics/TopicShared.swift
 *           (`publishTail`, `tail`); the reader goes on until it has one
 *   KIND 1: a publisher's pair                Sources/BrokerCore/Broker.swift, PublisherWords
 *           (`accept`, `accepted`); nil while it changes
 *   KIND 2: a row of counters                 Sources/Counters/RowCells.swift (`beginUpdate`,
 *           `endUpdate`), CountersMemory.swift (`copy`), CountersReader.swift (`agree`)
 *
 * Memory orderings. The writer's relaxed stores (`waiting`) reach memory in any order, the
 * version's too (`versionWaits`). A release fence, and a release store, wait for what was stored
 * before. The reader's two relaxed loads come in any order, before or after its load of the version
 * unless that acquires; behind the acquiring fence comes the second look at the version.
 *
 * FAULT 1: the version is stored relaxed             2: no fence before the words are stored
 *       3: the version is not loaded acquiring       4: there is no second look
 */
#ifndef FAULT
#define FAULT 0
#endif
#ifndef KIND
#define KIND 0
#endif
#define UPDATES 3
#define STEP (KIND == 0 -> 1 : 2)              /* what an update adds to the version in all */

byte version, versionOut;
bool versionWaits;
byte words[4], wordsOut[4];                    /* slot 0: 0 and 1; KIND 0, slot 1: 2 and 3 */
bool waiting[4];
#define allStored (!waiting[0] && !waiting[1] && !waiting[2] && !waiting[3])

active [4] proctype drain() {                  /* the hardware; one for each word */
end:
  do
  :: atomic { waiting[_pid] -> words[_pid] = wordsOut[_pid]; waiting[_pid] = false }
  :: atomic { _pid == 0 && versionWaits -> version = versionOut; versionWaits = false }
  od
}

active proctype writer() {
  byte value, slot, i;
  do
  :: value < UPDATES ->
     value++;
     slot = (KIND == 0 -> (value & 1) * 2 : 0);
     if
     :: KIND != 0 -> atomic { versionOut = value * STEP - 1; versionWaits = true }       /* odd */
     :: KIND == 0
     fi;
     FAULT == 2 || (!versionWaits && allStored);               /* atomicMemoryFence(releasing) */
     atomic { wordsOut[slot] = value; waiting[slot] = true }
     atomic { wordsOut[slot + 1] = value; waiting[slot + 1] = true }
     FAULT == 1 || (!waiting[slot] && !waiting[slot + 1]);          /* releasing */
     FAULT == 2 || !versionWaits;
     atomic { versionOut = value * STEP; versionWaits = true }
  :: else -> break
  od
}

active proctype reader() {
  byte before, slot, a, b, last;
  bool gotVersion, gotA, gotB;
  do
  :: gotVersion = false; gotA = false; gotB = false;
     do                                        /* KIND 2: the first copy */
     :: !gotVersion -> atomic { before = version; gotVersion = true }
     :: !gotA && (gotVersion || FAULT == 3) -> atomic { a = words[slot]; gotA = true }
     :: !gotB && (gotVersion || FAULT == 3) -> atomic { b = words[slot + 1]; gotB = true }
     :: gotVersion && KIND == 0 && slot != (before & 1) * 2 ->      /* which slot it is, it says */
        atomic { slot = (before & 1) * 2; gotA = false; gotB = false }
     :: gotVersion && gotA && gotB && (KIND != 0 || slot == (before & 1) * 2) -> break
     od;
     if                                        /* atomicMemoryFence(acquiring); KIND 2: again */
     :: FAULT != 4 && version != before        /* nothing this time */
     :: FAULT == 4 || version == before ->
        if
        :: KIND != 0 && before % 2 == 1        /* nothing this time */
        :: else ->
           assert(a == b && a * STEP == before && a >= last);
           last = a;
           if
           :: last == UPDATES -> break
           :: else
           fi
        fi
     fi
  od
}

/* Liveness, with weak fairness: when the writer rests the reader gets what there is. */
ltl read { <> (reader:last == UPDATES) }
